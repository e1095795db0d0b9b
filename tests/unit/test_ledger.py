"""Lines of the ledger are read as nginx means them, and broken ones as none."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shares.ledger import Line, SharedFile

FILE: Final = SharedFile("a" * 12, "b" * 12, "0" * 16, 1, 1000)
#: What nginx writes of a whole file.
WHOLE: Final = {
    "at": 1_800_000_000.123,
    "request": "f" * 32,
    "began": "",
    "what": FILE.text,
    "method": "GET",
    "status": "200",
    "bytes": 1000,
    "length": "1000",
    "range": "",
    "encoding": "",
    "complete": "OK",
    "agent": "Mozilla/5.0",
    "address": "192.0.2.0/24",
}
PART: Final = {"status": "206", "length": "10"}
CUT: Final = {"complete": ""}


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        pytest.param("HIT", True, id="kept"),
        pytest.param("STALE", True, id="renewed meanwhile"),
        pytest.param("UPDATING", True, id="renewed by another"),
        pytest.param("MISS", False, id="asked"),
        pytest.param("EXPIRED", False, id="asked again"),
        pytest.param("", False, id="not to be kept"),
    ],
)
def test_a_line_tells_whether_nginx_had_the_verdict(
    status: str, *, is_kept: bool
) -> None:
    assert line(verdict=status).is_kept is is_kept


def test_a_line_of_an_earlier_release_tells_of_no_verdict() -> None:
    assert line().is_kept is False


def line(**changes: object) -> Line:
    return Line.parse(json.dumps(WHOLE | changes).encode())


@pytest.mark.parametrize(
    ("said", "size", "sent", "covered"),
    [
        pytest.param({}, 1000, 1000, (0, 1000), id="whole"),
        pytest.param({"bytes": 400, **CUT}, 1000, 400, (0, 400), id="cut"),
        pytest.param({"bytes": 0, **CUT}, 1000, 0, None, id="nothing"),
        pytest.param({"bytes": 1100}, 1000, 1000, (0, 1000), id="with frames"),
        pytest.param({"bytes": 1100, **CUT}, 1000, 999, (0, 999), id="cut, frames"),
        pytest.param({"length": "1200"}, 1200, 1200, (0, 1200), id="replaced"),
        pytest.param({"bytes": 0, "length": "0"}, 0, 0, (0, 0), id="whole and empty"),
        pytest.param(
            {"range": "bytes 90-99/1000", "bytes": 10, **PART},
            1000,
            10,
            (90, 100),
            id="range",
        ),
        pytest.param(
            {"range": "bytes 90-99/1000", "bytes": 4, **PART, **CUT},
            1000,
            4,
            (90, 94),
            id="cut range",
        ),
        pytest.param({"bytes": 300, **PART}, 1000, 300, None, id="several ranges"),
        pytest.param(
            {"encoding": "gzip", "bytes": 99, "length": ""},
            1000,
            99,
            (0, 1000),
            id="compressed",
        ),
        pytest.param(
            {"encoding": "gzip", "bytes": 99, "length": "", **CUT},
            1000,
            99,
            None,
            id="compressed, cut",
        ),
        pytest.param({"status": "304", "bytes": 0}, 1000, 0, None, id="unchanged"),
        pytest.param({"status": "416", "bytes": 500}, 1000, 0, None, id="beyond"),
        pytest.param({"status": "404", "bytes": 500}, 1000, 0, None, id="vanished"),
        pytest.param({"status": "499", "bytes": 0}, 1000, 0, None, id="client left"),
    ],
)
def test_a_line_tells_what_of_the_file_was_sent(
    said: dict[str, object], size: int, sent: int, covered: tuple[int, int] | None
) -> None:
    found = line(**said)
    assert (found.size, found.sent, found.covered) == (size, sent, covered)
    assert (found.file, found.at) == (FILE, 1_800_000_000)


def test_head_sends_nothing() -> None:
    found = line(method="HEAD", bytes=0)
    assert (found.file, found.sent) == (None, 0)


def test_a_request_that_has_begun_is_told_whatever_became_of_it() -> None:
    found = line(began="1", what="", status="502", bytes=100)
    assert (found.request, found.file, found.sent) == ("f" * 32, None, 0)
    assert line().request == ""


def test_of_a_signed_url_it_is_the_key() -> None:
    found = line(what="key main-2")
    assert (found.key, found.file) == ("main-2", None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(json.dumps(WHOLE).encode()[:-7], id="cut"),
        pytest.param(json.dumps(WHOLE).encode()[:90] * 2, id="two run together"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"0" * 100, id="zeros of a lost page"),
        *(
            pytest.param(json.dumps(WHOLE | said).encode(), id=f"{said}")
            for said in (
                {"what": "x"},
                {"what": f"{FILE.text} 1"},
                {"what": FILE.text.upper()},
                {"what": "key " + "k" * 17},
                {"at": 1e400},
                {"at": -1},
                {"at": 10**19},
                {"at": "soon"},
                {"bytes": -1, "encoding": "gzip"},
                {"bytes": 10**19, "encoding": "gzip"},
                {"bytes": None},
                {"began": "1", "request": ""},
                {"began": "1", "request": "r" * 65},
                {"began": "1", "request": "r\n"},
                {"agent": "a\0b"},
            )
        ),
    ],
)
def test_what_nginx_has_not_written_whole_is_no_line(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the words are for nobody
        Line.parse(text)


@given(st.text(max_size=300), st.sampled_from(["", "0123456789abcdef"]))
def test_a_file_is_read_as_it_was_told(path: str, lease: str) -> None:
    """Every path below a folder is ASCII in a header, and none is too long for one."""
    file = SharedFile("a" * 12, "b" * 12, lease, 3, 2**40, path)
    assert file.text.isascii()
    assert file.text.isprintable()
    assert len(file.text) < 350
    again: Any = SharedFile.parse(file.text)
    assert again[:5] == file[:5]
    assert again.path == path or len(quote(path)) > 255


def test_long_paths_differ_by_their_digests() -> None:
    texts = {
        SharedFile("a" * 12, "b" * 12, "", 1, 1, "x" * 300 + end).text for end in "12"
    }
    assert len(texts) == 2
