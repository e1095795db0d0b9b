"""A form is parsed at the speed of a search, whatever its files contain."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from gateway.storage.blobs import BlobStore
from gateway.uploads.multipart import FormReader

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

MIB: Final = 1 << 20
#: A boundary as browsers make it.
BOUNDARY: Final = "-" * 29 + "1" * 30
TYPE: Final = f"multipart/form-data; boundary={BOUNDARY}"
#: The most function calls for 4 MiB: about ten for each 256 KiB.
CALLS: Final = 600


def form(content: bytes, name: str = "a.bin") -> bytes:
    """Return a form with its token and one file."""
    start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    return (
        f'{start}"token"\r\n\r\nx\r\n'.encode()
        + f'{start}"file"; filename="{name}"\r\n\r\n'.encode()
        + content
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def is_good(token: str) -> None:
    assert token == "x"


class Calls:
    """Counts calls of functions, in Python and in C."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, _frame: FrameType, event: str, _what: object) -> None:
        self.number += event in {"call", "c_call"}


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"\0", id="zeros"),
        pytest.param(b"\r", id="carriage returns"),
        pytest.param(b"\r\n", id="lines"),
        pytest.param(b"\r\n--", id="dashes"),
        pytest.param(f"\r\n--{BOUNDARY[:-1]}".encode(), id="boundaries but a letter"),
        pytest.param(f"\r\n--{BOUNDARY[:20]}".encode(), id="starts of boundaries"),
        pytest.param(f"\n--{BOUNDARY}x".encode(), id="boundaries after a line feed"),
        pytest.param(f"--{BOUNDARY} ".encode(), id="boundaries in a line"),
    ],
)
def test_near_boundaries_take_no_more_steps_than_other_content(
    tmp_path: Path, unit: bytes
) -> None:
    store = BlobStore(tmp_path)
    store.prepare()
    content = unit * (4 * MIB // len(unit))
    body = store.spool / "0001"
    body.write_bytes(form(content))
    calls = Calls()
    sys.setprofile(calls)
    try:
        with FormReader(store, "token").files(body, TYPE, is_good) as (part,):
            sys.setprofile(None)
            assert part.path.read_bytes() == content
    finally:
        sys.setprofile(None)
    assert 0 < calls.number < CALLS


def test_a_file_s_name_may_be_long(tmp_path: Path) -> None:
    """It is shortened, like the name of every upload."""
    store = BlobStore(tmp_path)
    store.prepare()
    body = store.spool / "0001"
    body.write_bytes(form(b"x", "я" * 5000))
    with FormReader(store, "token").files(body, TYPE, is_good) as (part,):
        assert part.path.read_bytes() == b"x"
        assert set(part.name.text) == {"я"}
