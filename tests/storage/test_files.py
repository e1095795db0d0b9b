"""Files in a folder and in a bucket: the same contract for both, and for several."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import BucketBusyError, NotServableError
from gateway.origin import Origin
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.bucket_server import BucketServer
from gateway.storage.bucket_tree import BucketTree
from gateway.storage.content import BucketObject, DiskFile
from gateway.storage.files import CombinedFiles
from gateway.storage.paths import FilePath
from gateway.storage.places import BucketURL
from gateway.storage.tree import FilesTree
from tests.live.ports import free_port
from tests.live.seaweedfs import BUCKET, KEY_ID, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.storage.files import Files
    from tests.live.seaweedfs import SeaweedFS

#: Names that a URL, a signature or a listing could change.
NAMES = {
    "percent": "100%.txt",
    "looks encoded": "100%25 %2e%2e.txt",
    "umlaut": "mäggi.txt",
    "decomposed": unicodedata.normalize("NFD", "mäggi 2.txt"),
    "query and fragment": "a?b#c.txt",
    "quotes": 'it\'s "so".txt',
    "blanks": " two  words .txt",
    "plus and ampersand": "a+b&c=d;e.txt",
    "brackets": "[a]{b}<c>|^`~*!().txt",
    "emoji": "📄 😀.txt",
    "right to left": "שלום.txt",
    "no suffix": "name",
    "255 bytes": "x" * 251 + ".txt",
    "in a folder": "a b/ü/100%.txt",
}
HIDDEN = (".env", ".git/config", "docs/.hidden")


@dataclass(frozen=True)
class Filled:
    """Some files, and how to store another one."""

    files: Files
    put: Callable[[str, bytes], object]


def server(endpoint: str, secret: str = SECRET) -> BucketServer:
    return BucketServer.of(Origin.of(endpoint), "us-east-1", KEY_ID, secret)


def folder(root: Path) -> Filled:
    def put(path: str, content: bytes) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return Filled(FilesTree(root), put)


def bucket(seaweedfs: SeaweedFS) -> Filled:
    url = BucketURL(BUCKET, f"{token_hex(4)}/")

    def put(path: str, content: bytes) -> None:
        seaweedfs.put(url.prefix + path, content)

    return Filled(BucketTree(Bucket.open(url, server(seaweedfs.endpoint))), put)


@pytest.fixture(params=["folder", "bucket"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Filled:
    if request.param == "folder":
        return folder(tmp_path)
    return bucket(request.getfixturevalue("seaweedfs"))


def paths(files: Files, inside: str = "", most: int = 100) -> list[str]:
    return [f.path.text for f in files.below(FilePath(inside), most=most)]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_file_of_any_name_is_found_read_and_listed(filled: Filled, name: str) -> None:
    filled.put(name, name.encode())
    path = FilePath.parse(name)
    found = filled.files.locate(path)
    assert (found.path.text, found.size) == (name, len(name.encode()))
    assert b"".join(filled.files.read(path)) == name.encode()
    assert paths(filled.files) == [name]
    assert filled.files.serve(path).name == path.name
    assert not filled.files.is_folder(path)


def test_a_large_file_is_read_whole(filled: Filled) -> None:
    content = bytes(range(256)) * 8192
    filled.put("large.bin", content)
    assert b"".join(filled.files.read(FilePath("large.bin"))) == content


def test_a_folder_is_where_files_are_below(filled: Filled) -> None:
    for name in ("docs/a.txt", "docs/deep/b.txt", "docs.txt", "docs-old/c.txt"):
        filled.put(name, b"")
    is_folder = {
        name: filled.files.is_folder(FilePath(name))
        for name in ("docs", "docs/deep", "docs.txt", "doc", "none", "docs/a.txt")
    }
    assert [name for name, is_one in is_folder.items() if is_one] == [
        *("docs", "docs/deep")
    ]
    assert paths(filled.files, "docs") == ["docs/a.txt", "docs/deep/b.txt"]
    assert paths(filled.files, "docs", most=1) == ["docs/a.txt"]
    assert paths(filled.files, "none") == []
    with pytest.raises(NotServableError):
        filled.files.locate(FilePath("docs"))


def test_hidden_files_are_not_listed(filled: Filled) -> None:
    for name in (*HIDDEN, "docs/a.txt"):
        filled.put(name, b"secret")
    assert paths(filled.files) == ["docs/a.txt"]
    # Not even if there are more of them than files are asked for.
    assert paths(filled.files, most=1) == ["docs/a.txt"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("none.txt", id="missing"),
        pytest.param("a.txt/b.txt", id="below a file"),
        pytest.param("A.TXT", id="other case"),
    ],
)
def test_a_missing_file_is_refused(filled: Filled, path: str) -> None:
    filled.put("a.txt", b"there")
    with pytest.raises(NotServableError) as caught:
        filled.files.locate(FilePath.parse(path))
    assert caught.value.fact == "missing"
    with pytest.raises(NotServableError):
        next(iter(filled.files.read(FilePath.parse(path))))


def test_files_that_can_be_listed_are_ready(filled: Filled) -> None:
    filled.put("a.txt", b"there")
    assert filled.files.is_readable()


def test_a_file_on_disk_is_served_from_its_folder(tmp_path: Path) -> None:
    made = folder(tmp_path)
    made.put("a/b.txt", b"there")
    served = made.files.serve(FilePath("a/b.txt"))
    assert (served.name, served.content) == ("b.txt", DiskFile("files", "a/b.txt", 5))


def urls(files: Files, path: str) -> BucketObject:
    content = files.serve(FilePath.parse(path)).content
    assert isinstance(content, BucketObject)
    return content


@pytest.fixture
def away() -> BucketTree:
    """Return a bucket on a server that does not run."""
    url = BucketURL("media", "films/")
    return BucketTree(Bucket.open(url, server(f"http://127.0.0.1:{free_port()}")))


# SeaweedFS stores a backslash as a slash.
@pytest.mark.parametrize("name", [*NAMES.values(), "back\\slash.txt"])
def test_an_object_s_urls_are_one_line_each_without_a_host(
    away: BucketTree, name: str
) -> None:
    """They are signed without a question to the bucket."""
    found = urls(away, name)
    for url in (found.get, found.head):
        assert url.startswith("/media/films/")
        assert url.isascii()
        assert url.isprintable()
        assert not {*url} & {*' "<>\\^`{|}#'}
        assert url.count("?") == 1
    assert found.get != found.head


def test_a_key_that_is_too_long_is_refused(away: BucketTree) -> None:
    longest = "/".join(["x" * 253] * 4)  # with films/ and a name 1024 bytes
    assert urls(away, f"{longest}/ab").get
    for refused in (f"{longest}/abc", f"{longest}/äb"):
        with pytest.raises(NotServableError) as caught:
            away.serve(FilePath.parse(refused))
        assert caught.value.fact == "too-long"


def test_a_server_that_is_away_is_told_apart_from_a_missing_file(
    away: BucketTree,
) -> None:
    path = FilePath("a.txt")
    asks: list[Callable[[], Any]] = [
        lambda: away.locate(path),
        lambda: away.is_folder(path),
        lambda: away.below(path, most=1),
        lambda: next(iter(away.read(path))),
        away.is_readable,
    ]
    for ask in asks:
        with pytest.raises(BucketBusyError, match="s3://media/films") as caught:
            ask()
        assert SECRET not in str(caught.value)
        assert "Signature" not in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "secret", "cause"),
    [
        pytest.param(
            BUCKET, "another", "403 Forbidden (SignatureDoesNotMatch)", id="secret"
        ),
        pytest.param("nowhere", SECRET, "404 Not Found (NoSuchBucket)", id="bucket"),
    ],
)
def test_a_bucket_that_may_not_be_listed_is_not_ready_and_says_why(
    seaweedfs: SeaweedFS, bucket: str, secret: str, cause: str
) -> None:
    url = BucketURL(bucket, "")
    opened = Bucket.open(url, server(seaweedfs.endpoint, secret))
    for ask in (BucketTree(opened).is_readable, BucketBlobs(opened).is_writable):
        with pytest.raises(BucketBusyError) as caught:
            ask()
        assert str(caught.value) == f"bucket {url} answers {cause}"


@pytest.fixture
def several(tmp_path: Path) -> CombinedFiles:
    """Make places with files that each other's prefixes hide."""
    places = []
    for prefix in ("videos/old/", "videos/", ""):
        place = folder(tmp_path / token_hex(4))
        for name in ("a.txt", "videos/a.txt", "old/a.txt", "videos/old/a.txt"):
            place.put(name, prefix.encode())
        places.append((prefix, place.files))
    return CombinedFiles(places)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        pytest.param("a.txt", "", id="no prefix"),
        pytest.param("old/a.txt", "", id="another place's folder"),
        pytest.param("videos/a.txt", "videos/", id="prefix"),
        pytest.param("videos/videos/a.txt", "videos/", id="twice"),
        pytest.param("videos/old/a.txt", "videos/old/", id="longer prefix"),
        pytest.param("videos/old/old/a.txt", "videos/old/", id="below it"),
    ],
)
def test_the_place_with_the_longest_prefix_has_the_file(
    several: CombinedFiles, path: str, prefix: str
) -> None:
    parsed = FilePath.parse(path)
    assert b"".join(several.read(parsed)) == prefix.encode()
    assert several.locate(parsed).path == parsed
    assert several.serve(parsed).name == "a.txt"


def test_a_listing_has_no_file_that_another_place_hides(
    several: CombinedFiles,
) -> None:
    assert paths(several) == [
        "a.txt",
        "old/a.txt",
        "videos/a.txt",
        "videos/old/a.txt",
        "videos/old/old/a.txt",
        "videos/old/videos/a.txt",
        "videos/old/videos/old/a.txt",
        "videos/videos/a.txt",
        "videos/videos/old/a.txt",
    ]
    assert paths(several, "videos/old/old") == ["videos/old/old/a.txt"]
    for path in paths(several, "videos"):
        assert several.locate(FilePath(path)).path.text == path


def test_a_prefix_is_a_folder_even_without_files(tmp_path: Path) -> None:
    empty = CombinedFiles([("a/b/", FilesTree(tmp_path))])
    assert [empty.is_folder(FilePath(p)) for p in ("a", "a/b", "a/b/c", "c", "b")] == [
        *(True, True, False, False, False)
    ]
    with pytest.raises(NotServableError):
        empty.locate(FilePath("c.txt"))


def test_places_are_ready_if_all_of_them_are(
    away: BucketTree, several: CombinedFiles
) -> None:
    assert several.is_readable()
    with pytest.raises(BucketBusyError):
        CombinedFiles([*several.places, ("x/", away)]).is_readable()
