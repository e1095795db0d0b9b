"""Listings of a bucket: with every key that it can have, and complete or none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import pytest
import requests

from gateway.errors import BucketBusyError, NotServableError
from gateway.storage import listing, presigned
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.bucket_server import BucketServer
from gateway.storage.bucket_tree import BucketTree
from gateway.storage.paths import FilePath
from gateway.storage.places import BucketURL
from tests.live.fake_bucket import FakeBucket
from tests.live.seaweedfs import BUCKET, KEY_ID, SECRET
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.seaweedfs import SeaweedFS

BLOB = "aa/" + "a" * 26 + ".bin"
STORED = "2026-01-01T00:00:00.000Z"
STORED_SECONDS = 1_767_225_600
#: Keys that are no paths of files, and two that are.
KEYS = {
    "an empty segment": "a//b.txt",
    "a slash at the beginning": "/b.txt",
    "a dot segment": "a/./b.txt",
    "two dots": "a/../b.txt",
    "a line feed": "a\nb.txt",
    "a control character": "a\x01b.txt",
    "a folder's marker": "docs/",
    "marks of the encoding": "a b+c%41&<ü>.txt",
    "a plain one": "docs/b.txt",
}
SERVED = ["a b+c%41&<ü>.txt", "docs/b.txt"]


def page(*keys: str, rest: str = "<IsTruncated>false</IsTruncated>") -> bytes:
    """Return the XML of a page, as Amazon S3 sends it."""
    contents = "".join(
        f"<Contents><Key>{quote_plus(key, safe='/')}</Key><Size>5</Size>"
        f"<LastModified>{STORED}</LastModified></Contents>"
        for key in keys
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType>{rest}{contents}</ListBucketResult>"
    ).encode()


def more(token: str) -> str:
    following = f"<NextContinuationToken>{token}</NextContinuationToken>"
    return f"<IsTruncated>true</IsTruncated>{following}"


def answered(body: bytes, status: str = "200 OK", *, missing: int = 0) -> bytes:
    """Return an answer; *missing* is how many bytes its length is too large."""
    length = len(body) + missing
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@dataclass(frozen=True)
class Scripted:
    """A bucket below ``up/``, and the server that gives the answers of a test."""

    fake: FakeBucket
    bucket: Bucket

    def answers(self, *answers: bytes) -> None:
        """Give these answers, one after the other."""
        rest = iter(answers)
        self.fake.script = lambda _: next(rest)

    def keys(self) -> list[str]:
        return [found.key for found in self.bucket.list("up/")]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with FakeBucket().running() as fake:
        url = BucketURL("media", "up/")
        opened = Bucket.open(url, server(f"http://127.0.0.1:{fake.port}"))
        yield Scripted(fake, opened)


def test_no_key_keeps_the_others_from_being_listed(scripted: Scripted) -> None:
    whole = answered(page(*(f"up/{key}" for key in KEYS.values()), f"up/{BLOB}"))
    scripted.answers(*[whole] * 5)
    assert scripted.keys() == [*(f"up/{key}" for key in KEYS.values()), f"up/{BLOB}"]
    tree, blobs = BucketTree(scripted.bucket), BucketBlobs(scripted.bucket)
    found = tree.below(FilePath(""), most=100)
    assert [(f.path.text, f.size) for f in found] == [(n, 5) for n in (*SERVED, BLOB)]
    assert tree.is_readable()
    assert tree.is_folder(FilePath("docs"))
    assert [*blobs.ages(now=STORED_SECONDS + 7)] == [(BLOB, 7)]


def put(seaweedfs: SeaweedFS, key: str) -> None:
    """Store an object with a key that obstore changes or refuses."""
    at, now = server(seaweedfs.endpoint), int(time.time())
    headers = {"host": at.endpoint.authority}
    target = presigned.query(
        at, "PUT", f"/{BUCKET}/{key}", headers, seconds=60, now=now
    )
    requests.put(seaweedfs.endpoint + target, data=b"", timeout=10).raise_for_status()


@pytest.fixture
def opened(seaweedfs: SeaweedFS) -> Bucket:
    """Return a bucket with a folder that has only a marker, and an odd key."""
    url = BucketURL(BUCKET, f"{token_hex(4)} ü&+/")
    for key in ("docs/", "odd\nkey.txt", *(f"{number}.txt" for number in range(5))):
        put(seaweedfs, url.prefix + key)
    return Bucket.open(url, server(seaweedfs.endpoint))


def test_a_server_s_pages_are_put_together(
    opened: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAXIMUM", 2)
    start = len(opened.url.prefix)
    names = [found.key[start:] for found in opened.list(opened.url.prefix)]
    assert sorted(names) == [*(f"{n}.txt" for n in range(5)), "docs/", "odd\nkey.txt"]
    assert len([*opened.list(opened.url.prefix, most=3)]) == 3


def test_the_marker_of_a_folder_is_no_file(opened: Bucket) -> None:
    tree, docs = BucketTree(opened), FilePath("docs")
    assert tree.is_folder(docs)
    assert tree.below(docs, most=9) == []
    assert "docs" not in [found.path.text for found in tree.below(FilePath(""), most=9)]
    with pytest.raises(NotServableError):
        tree.locate(docs)


def test_a_role_s_credentials_sign_a_listing(
    opened: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can be in the environment: obstore looks there, too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    keyless = BucketServer.of(opened.server.endpoint, "us-east-1", "", "")
    found = BucketTree(Bucket.open(opened.url, keyless)).below(FilePath(""), most=2)
    assert [each.path.text for each in found] == ["0.txt", "1.txt"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answered(page(rest="")), id="not said"),
        pytest.param(
            answered(page(rest="<IsTruncated>0</IsTruncated>")), id="not clear"
        ),
        pytest.param(
            answered(page(rest="<IsTruncated>true</IsTruncated>")), id="no next page"
        ),
        pytest.param(answered(page(BLOB)[:-30]), id="cut XML"),
        pytest.param(answered(b""), id="empty"),
        pytest.param(answered(b"<html>busy</html>"), id="another document"),
        pytest.param(answered(page(BLOB).replace(b"Key", b"Name")), id="no key"),
        pytest.param(answered(page("%ff").replace(b"%25", b"%")), id="no UTF-8"),
    ],
)
def test_an_incomplete_listing_is_refused(scripted: Scripted, answer: bytes) -> None:
    """Housekeeping would take the objects of a part for all that there are."""
    scripted.answers(answer)
    with pytest.raises(BucketBusyError, match=r"media/up gives no complete listing: "):
        scripted.keys()


@pytest.mark.parametrize(
    ("failed", "cause"),
    [
        pytest.param(
            answered(b"<Code>SlowDown</Code>", "503 Busy"),
            r"answers 503 Service Unavailable \(SlowDown\)",
            id="error",
        ),
        pytest.param(answered(page(), missing=9), "does not answer: ", id="cut"),
        pytest.param(b"", "does not answer: ", id="closed"),
        pytest.param(b"SMTP ready\r\n\r\n", "does not answer: ", id="not HTTP"),
    ],
)
def test_a_page_that_fails_is_asked_for_once_more(
    scripted: Scripted, failed: bytes, cause: str
) -> None:
    first, last = answered(page("up/a", rest=more("2&amp;"))), answered(page("up/b"))
    scripted.answers(failed, first, failed, last)
    assert scripted.keys() == ["up/a", "up/b"]
    assert "continuation-token=2%26&" in scripted.fake.asked[-1]
    scripted.answers(first, failed, failed)
    with pytest.raises(BucketBusyError, match=f"bucket s3://media/up {cause}"):
        scripted.keys()


def test_a_refusal_is_final(scripted: Scripted) -> None:
    scripted.answers(answered(b"<Code>AccessDenied</Code>", "403 Forbidden"))
    with pytest.raises(
        BucketBusyError, match=r"403 Forbidden \(AccessDenied\)$"
    ) as caught:
        scripted.keys()
    assert caught.value.status == 403
    assert len(scripted.fake.asked) == 1


def test_a_listing_comes_over_https(
    seaweedfs: SeaweedFS, opened: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(seaweedfs.authority.certificate))
    secured = Bucket.open(opened.url, server(seaweedfs.https_endpoint))
    prefix = opened.url.prefix
    assert [*secured.list(prefix)] == [*opened.list(prefix)] != []
