"""Blobs in the store and in a bucket: the same contract for both."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import BucketBusyError
from gateway.storage import copies
from gateway.storage.blobs import BlobStore, is_blob, new_id
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.bucket_id import BucketId
from gateway.storage.content import BucketObject, DiskFile
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.places import BucketURL
from gateway.storage.store_id import StoreId
from tests.live.fake_bucket import FakeBucket
from tests.live.seaweedfs import BUCKET
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from gateway.storage.blobs import Blobs

CONTENTS = {
    "empty": b"",
    "a byte": b"x",
    "some": os.urandom(100_000),
    "several parts": os.urandom(17 * 2**20),
}
SOME = CONTENTS["some"]
contents = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


@dataclass(frozen=True)
class Place:
    """Blobs, and a folder on their disk for the files that they are made from."""

    blobs: Blobs
    folder: Path

    def file(self, content: bytes = SOME) -> Path:
        file = self.folder / token_hex(4)
        file.write_bytes(content)
        return file

    def adopt(self, content: bytes = SOME) -> str:
        return self.blobs.adopt(self.file(content), new_id(), "txt")

    def save(self, blob: str, *, may_link: bool = False) -> bytes:
        """Return what a saved copy contains."""
        target = self.folder / token_hex(4)
        self.blobs.save(blob, target, may_link=may_link)
        return target.read_bytes()

    def listed(self) -> list[str]:
        return [blob for blob, _ in self.blobs.ages(now=0)]


def disk(root: Path) -> DiskBlobs:
    store = BlobStore(root / "store")
    store.prepare()
    return DiskBlobs(store)


def bucket(endpoint: str) -> BucketBlobs:
    url = BucketURL(BUCKET, f"{token_hex(4)}/")
    return BucketBlobs(Bucket.open(url, server(endpoint)))


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "disk":
        return Place(disk(tmp_path), tmp_path)
    return Place(bucket(request.getfixturevalue("seaweedfs").endpoint), tmp_path)


def assert_has(place: Place, blob: str, content: bytes) -> None:
    assert place.blobs.size(blob) == len(content)
    digest = hashlib.sha256(content).digest()
    assert place.blobs.sha256(blob, is_stopped=bool) == digest
    assert place.save(blob) == content
    assert place.listed() == [blob]


@contents
def test_an_adopted_file_is_a_blob(place: Place, content: bytes) -> None:
    source, upload = place.file(content), new_id()
    blob = place.blobs.adopt(source, upload, "pdf")
    assert blob == f"{upload[:2]}/{upload}.pdf"
    assert is_blob(blob)
    assert_has(place, blob, content)
    assert source.read_bytes() == content


@contents
@pytest.mark.parametrize("may_link", [False, True], ids=["copied", "linked"])
def test_a_loaded_file_replaces_a_blob(
    place: Place, content: bytes, *, may_link: bool
) -> None:
    """A restore replaces a blob of another size."""
    blob = place.adopt(b"the earlier one")
    source = place.file(content)
    place.blobs.load(source, blob, may_link=may_link)
    assert_has(place, blob, content)
    assert source.read_bytes() == content


def test_a_file_is_loaded_into_an_empty_place(place: Place) -> None:
    blob = "ab/ab" + "a" * 24 + ".txt"
    place.blobs.load(place.file(), blob, may_link=False)
    assert_has(place, blob, SOME)


def test_a_blob_is_found_by_nginx_and_by_people(place: Place) -> None:
    blob = place.adopt()
    where = place.blobs.where(blob)
    assert where.startswith(f"{place.blobs.id.place}/")
    assert where.endswith(f"/{blob}")


def test_a_blob_on_disk_is_sent_from_its_folder(tmp_path: Path) -> None:
    place = Place(disk(tmp_path), tmp_path)
    blob = place.adopt()
    assert place.blobs.content(blob, 7) == DiskFile("blobs", blob, 7)
    assert Path(place.blobs.where(blob)).read_bytes() == SOME


def test_a_blob_in_a_bucket_is_sent_from_presigned_urls() -> None:
    """They are signed without a question to the bucket."""
    blob = "ab/ab" + "a" * 24 + ".txt"
    content = bucket("http://127.0.0.1:9").content(blob, 7)
    assert isinstance(content, BucketObject)
    assert content.size == 7
    assert all(f"/{blob}?X-Amz-" in url for url in (content.get, content.head))


def test_a_discarded_blob_is_gone(place: Place) -> None:
    blob, other = place.adopt(), place.adopt()
    # What is not there, or not any more, is no fault.
    for each in (blob, blob, "zz/zz" + "z" * 24 + ".bin"):
        place.blobs.discard(each)
    with pytest.raises(FileNotFoundError):
        place.save(blob)
    assert_has(place, other, SOME)


def test_a_retired_blob_is_listed_no_more(place: Place) -> None:
    blob, other = place.adopt(), place.adopt()
    for _ in range(2):
        place.blobs.retire(blob, now=0)
    with pytest.raises(FileNotFoundError):
        place.blobs.size(blob)
    assert_has(place, other, SOME)


@pytest.mark.parametrize(
    ("place", "kept"), [("disk", SOME), ("bucket", None)], indirect=["place"]
)
def test_only_a_trash_keeps_a_retired_blob(place: Place, kept: bytes | None) -> None:
    """A bucket has none: there a retired blob can't be saved any more."""
    blob = place.adopt()
    place.blobs.retire(blob, now=0)
    saved = None
    with suppress(FileNotFoundError):
        saved = place.save(blob)
    assert saved == kept
    assert place.blobs.has_trash == (kept is not None)


def size(place: Place, blob: str) -> object:
    return place.blobs.size(blob)


def sha256(place: Place, blob: str) -> object:
    return place.blobs.sha256(blob, is_stopped=bool)


def save(place: Place, blob: str) -> object:
    return place.save(blob)


def where(place: Place, blob: str) -> object:
    return place.blobs.where(blob)


def discard(place: Place, blob: str) -> object:
    place.blobs.discard(blob)
    return None


def load(place: Place, blob: str) -> object:
    place.blobs.load(place.file(), blob, may_link=False)
    return None


@pytest.mark.parametrize("read", [size, sha256, save])
def test_a_missing_blob_is_not_found(
    place: Place, read: Callable[[Place, str], object]
) -> None:
    present = place.adopt()
    with pytest.raises(FileNotFoundError):
        read(place, f"{present[:2]}/{present[:2]}{'a' * 24}.txt")
    assert {*place.folder.glob("*.part")} == set()


@pytest.mark.parametrize("ask", [size, sha256, save, where, discard, load])
@pytest.mark.parametrize("name", ["../../etc/passwd", "ab/cd", "store-id", ""])
def test_what_is_no_name_of_a_blob_is_refused(
    place: Place, ask: Callable[[Place, str], object], name: str
) -> None:
    with pytest.raises(ValueError, match="^" + name.replace(".", r"\.") + "$"):
        ask(place, name)


def test_a_digest_ends_when_it_is_told_to(place: Place) -> None:
    blob = place.adopt(CONTENTS["several parts"])
    told = iter([False, True])
    assert place.blobs.sha256(blob, is_stopped=lambda: next(told)) is None


def test_all_blobs_are_listed_with_their_ages(place: Place) -> None:
    blobs = {place.adopt() for _ in range(3)}
    place.blobs.id.propose("0123456789abcdef")  # is no blob
    ages = dict(place.blobs.ages(now=int(time.time()) + 10_000))
    assert {*ages} == blobs
    assert all(9_000 < age < 11_000 for age in ages.values())


def test_uploads_can_be_stored(place: Place) -> None:
    assert place.blobs.is_writable()


@pytest.mark.parametrize(
    ("place", "kind", "variable"),
    [("disk", StoreId, "GATEWAY_STORE"), ("bucket", BucketId, "GATEWAY_BLOBS")],
    indirect=["place"],
)
def test_the_place_has_an_id(place: Place, kind: type, variable: str) -> None:
    assert type(place.blobs.id) is kind
    assert place.blobs.id.variable == variable


@contextmanager
def full_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Blobs, str]]:
    blobs = disk(folder)
    blob = Place(blobs, folder).adopt()

    def fail(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(copies, "sync", fail)
        yield blobs, blob


@contextmanager
def cut_content(_: Path, __: pytest.MonkeyPatch) -> Iterator[tuple[Blobs, str]]:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nConnection: close\r\n"
        'ETag: "1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n'
    )
    with FakeBucket().running() as fake:
        fake.script = lambda _: head.encode() + SOME
        yield bucket(f"http://127.0.0.1:{fake.port}"), "ab/ab" + "a" * 24 + ".txt"


@pytest.mark.parametrize(
    ("broken", "error"), [(full_disk, OSError), (cut_content, BucketBusyError)]
)
def test_a_broken_copy_leaves_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Path, Any], AbstractContextManager[tuple[Blobs, str]]],
    error: type[Exception],
) -> None:
    target = tmp_path / "copies" / "copy"
    target.parent.mkdir()
    with broken(tmp_path, monkeypatch) as (blobs, blob), pytest.raises(error):
        blobs.save(blob, target, may_link=False)
    assert [*target.parent.iterdir()] == []
