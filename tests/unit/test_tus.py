"""The headers of tus are parsed into typed values, or refused by name."""

from __future__ import annotations

import hashlib
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadUploadError,
    ChecksumError,
    ContentTypeError,
    RefusedError,
    TusVersionError,
)
from gateway.uploads.resumable import protocol
from gateway.uploads.resumable.protocol import Checksum, Chunk, Creation

if TYPE_CHECKING:
    from pathlib import Path

ID = "abcdefghijklmnopqrstuvwxyz"
OTHER = "b" * 26
CHUNK = {"Content-Type": protocol.CONTENT_TYPE, "Upload-Offset": "0"}


def creation(**headers: str) -> Creation:
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return Creation.parse(sent.get)


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        pytest.param("", "unnamed", id="none"),
        pytest.param("filename YS50eHQ=", "a.txt", id="filename"),
        pytest.param("name YS50eHQ=", "a.txt", id="name"),
        pytest.param("name Yg==,filename YS50eHQ=", "a.txt", id="both"),
        pytest.param("x,filename YS50eHQ=, y eQ==", "a.txt", id="among others"),
        pytest.param("filename Li4vYS50eHQ=", "a.txt", id="a path"),
        pytest.param("filename ZsO2LnR4dA==", "fö.txt", id="Unicode"),
    ],
)
def test_a_name_comes_from_the_metadata(metadata: str, name: str) -> None:
    made = creation(Upload_Length="1", Upload_Metadata=metadata)
    assert (made.name.text, made.metadata) == (name, metadata)


def test_metadata_may_have_a_kilobyte() -> None:
    metadata = f"filename YS50eHQ=,b {'YWFh' * 251}"
    assert len(metadata) == 1024
    assert creation(Upload_Length="1", Upload_Metadata=metadata).metadata == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param("filename ???", id="no base64"),
        pytest.param("filename YS50eHQ", id="no padding"),
        pytest.param("filename YS5 0eHQ=", id="a blank within"),
        pytest.param("filename YS50eHQ=,", id="nothing after a comma"),
        pytest.param("näme YS50eHQ=", id="a key that is no ASCII"),
        pytest.param("a YQ==,a YQ==", id="a key twice"),
        pytest.param("filename /w==", id="no UTF-8"),
        pytest.param("filename", id="an empty name"),
        pytest.param(f"filename YS50eHQ=,bc {'YWFh' * 251}", id="more than 1 KB"),
    ],
)
def test_metadata_rubbish_is_refused(metadata: str) -> None:
    with pytest.raises(RefusedError):
        creation(Upload_Length="1", Upload_Metadata=metadata)


def test_a_final_upload_names_its_partial_uploads_by_path_or_url() -> None:
    made = creation(Upload_Concat=f"final;/tus/{ID} https://a.example/tus/{OTHER}")
    assert (made.partial_ids, made.size, made.is_partial) == ((ID, OTHER), None, False)


def final(number: int) -> str:
    """Return what asks for a final upload of as many parts."""
    ids = ("".join(letters) for letters in itertools.product("abcdefghij", repeat=3))
    urls = (f"/tus/{text:a>26}" for text in itertools.chain(ids, ["zzzz"]))
    return "final;" + " ".join(itertools.islice(urls, number))


def test_a_final_upload_has_at_most_a_thousand_partial_uploads() -> None:
    assert len(creation(Upload_Concat=final(1000)).partial_ids) == 1000
    with pytest.raises(BadUploadError, match="too-many-parts"):
        creation(Upload_Concat=final(1001))


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([f"/tus/{ID}", f"/tus/{ID}"], id="side by side"),
        pytest.param([f"/tus/{ID}", f"/tus/{OTHER}", f"/tus/{ID}"], id="apart"),
        pytest.param([f"/tus/{ID}", f"https://a.example/tus/{ID}"], id="by a URL"),
        pytest.param([f"/tus/{ID}", f"/tus/{ID}?again"], id="with a query"),
        pytest.param([f"/tus/{ID}"] * 400, id="400 times"),
    ],
)
def test_a_repeated_partial_upload_is_refused(parts: list[str]) -> None:
    with pytest.raises(BadUploadError, match="repeated-part"):
        creation(Upload_Concat=f"final;{' '.join(parts)}")


@pytest.mark.parametrize(
    "concat",
    [
        "final",
        "final;",
        "final; ",
        "final;/tus/",
        f"final;/tus/{ID}/",
        f"final;/files/{ID}",
        f"final;/tus/{ID}  /tus/{ID}",
        "final;https://[",
        "PARTIAL",
        "partial;",
    ],
)
def test_concat_rubbish_is_refused(concat: str) -> None:
    with pytest.raises(BadUploadError):
        creation(Upload_Length="1", Upload_Concat=concat)


LENGTHS = pytest.mark.parametrize(
    "length",
    [
        pytest.param("", id="nothing"),
        pytest.param("-1", id="negative"),
        pytest.param("+1", id="a sign"),
        pytest.param(" 1", id="a blank"),
        pytest.param("1e3", id="an exponent"),
        pytest.param("0x0", id="hexadecimal"),
        pytest.param("\u0661", id="an Arabic digit"),
        pytest.param("9" * 40, id="past every number"),
    ],
)


@LENGTHS
def test_length_rubbish_is_refused(length: str) -> None:
    with pytest.raises(BadUploadError):
        creation(Upload_Length=length)


@LENGTHS
def test_offset_rubbish_is_refused(length: str) -> None:
    with pytest.raises(BadUploadError):
        Chunk.parse({**CHUNK, "Upload-Offset": length}.get)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Upload_Length": "1", "Upload_Defer_Length": "1"}, id="two"),
        pytest.param({"Upload_Defer_Length": "2"}, id="deferred otherwise"),
    ],
)
def test_a_length_is_either_given_or_deferred(headers: dict[str, str]) -> None:
    with pytest.raises(BadUploadError):
        creation(**headers)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        pytest.param(f"sha1 {'A' * 27}=", Checksum("sha1", bytes(20)), id="sha1"),
        pytest.param(f"sha256 {'A' * 43}=", Checksum("sha256", bytes(32)), id="sha256"),
        pytest.param(
            f"sha512 {'A' * 86}==", Checksum("sha512", bytes(64)), id="sha512"
        ),
        pytest.param(f"md5 {'A' * 22}==", Checksum("md5", bytes(16)), id="md5"),
    ],
)
def test_a_checksum_is_parsed(text: str, digest: Checksum) -> None:
    assert Chunk.parse({**CHUNK, "Upload-Checksum": text}.get).checksum == digest


@pytest.mark.parametrize(
    "text", ["", "sha1", "SHA1 YWI=", "crc32 YWI=", "sha1 %%%", "sha1 YWI="]
)
def test_checksum_rubbish_never_passes(text: str) -> None:
    with pytest.raises(BadUploadError):
        protocol.checksum({"Upload-Checksum": text}.get)


@pytest.mark.parametrize("algorithm", protocol.ALGORITHMS)
def test_a_checksum_must_match_in_every_byte(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "chunk"
    path.write_bytes(b"content")
    right = hashlib.new(algorithm, b"content").digest()
    Checksum(algorithm, right).check(path)
    for place in range(len(right)):
        wrong = bytearray(right)
        wrong[place] ^= 1
        with pytest.raises(ChecksumError):
            Checksum(algorithm, bytes(wrong)).check(path)


@pytest.mark.parametrize("version", ["", "1.0", "1.0.0 ", "0.2.2", "1.0.0,1.0.0"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(TusVersionError):
        protocol.check_version({"Tus-Resumable": version}.get)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/octet-stream"])
def test_another_type_is_refused(media_type: str) -> None:
    with pytest.raises(ContentTypeError):
        Chunk.parse({**CHUNK, "Content-Type": media_type}.get)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "Upload-Length",
                "Upload-Defer-Length",
                "Upload-Metadata",
                "Upload-Concat",
                "Upload-Offset",
                "Upload-Checksum",
                "Content-Type",
            ]
        ),
        st.text(max_size=40) | st.sampled_from(["0", "1", "partial", "final;/tus/a"]),
    )
)
def test_any_header_text_is_parsed_or_refused(headers: dict[str, str]) -> None:
    for parse in (Creation.parse, Chunk.parse):
        with suppress(RefusedError):
            parse(headers.get)


@pytest.mark.parametrize("named", ["DELETE", "patch", "PATCH, PATCH", ""], ids=str)
def test_a_method_override_that_differs_is_refused(named: str) -> None:
    with pytest.raises(BadUploadError):
        protocol.check_method_override({"X-HTTP-Method-Override": named}.get, "PATCH")


@pytest.mark.parametrize(
    "headers", [{}, {"X-HTTP-Method-Override": "PATCH"}], ids=["none", "its own"]
)
def test_a_method_override_that_agrees_is_accepted(headers: dict[str, str]) -> None:
    protocol.check_method_override(headers.get, "PATCH")
