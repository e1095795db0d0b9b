"""Any file name of a client becomes a safe display name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadNameError
from gateway.storage.names import MAXIMUM_BYTES, DisplayName


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("фото 1.jpg", "фото 1.jpg", id="Unicode"),
        pytest.param("cafe\u0301.txt", "caf\u00e9.txt", id="decomposed"),
        pytest.param("a/b/c.txt", "c.txt", id="a path"),
        pytest.param("C:\\a\\c.txt", "c.txt", id="a path of Windows"),
        pytest.param("../../etc/passwd", "passwd", id="a path that climbs"),
        pytest.param("a/", "a", id="a folder"),
        pytest.param(" a.txt. . ", "a.txt", id="blanks and dots around"),
        pytest.param(".hidden", ".hidden", id="a dot before"),
        pytest.param("a\0b\r\nc\x7f\x9b.txt", "abc.txt", id="controls"),
        pytest.param("a\u2028b\u2029.txt", "ab.txt", id="line ends of Unicode"),
        pytest.param("nul", "_nul", id="a device"),
        pytest.param("COM1.txt", "_COM1.txt", id="a device with a suffix"),
        pytest.param("aux .h", "_aux .h", id="a device with a blank"),
        pytest.param("con\u200b.txt", "_con.txt", id="a device in disguise"),
        pytest.param("console.txt", "console.txt", id="nearly a device"),
        pytest.param("क्\u200cष.pdf", "क्\u200cष.pdf", id="a non-joiner"),
        pytest.param("👩\u200d💻.png", "👩\u200d💻.png", id="a joiner"),
    ],
)
def test_a_name_is_cleaned_for_display(sent: str, shown: str) -> None:
    assert DisplayName.parse(sent).text == shown


def test_invisible_and_direction_changing_characters_are_removed() -> None:
    characters = [
        *("\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d"),
        *("\u202e", "\u2066", "\u2067", "\u2068", "\u2069"),
        *("\u00ad", "\u180e", "\u200b", "\u2060", "\u206f", "\ufeff", "\ufff9"),
    ]
    shown = {
        unicodedata.name(c): DisplayName.parse(f"annex{c}fdp.exe").text
        for c in characters
    }
    assert shown == dict.fromkeys(shown, "annexfdp.exe")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("", id="nothing"),
        pytest.param("///", id="slashes"),
        pytest.param("..", id="the folder above"),
        pytest.param(". .", id="dots and blanks"),
        pytest.param("\u202e\u200b", id="what no one sees"),
        pytest.param("a\udcff", id="a lone surrogate"),
    ],
)
def test_a_name_that_can_not_be_shown_is_refused(sent: str) -> None:
    with pytest.raises(BadNameError):
        DisplayName.parse(sent)


def is_name(text: str) -> bool:
    try:
        DisplayName.parse(text)
    except BadNameError:
        return False
    return True


PIECES = st.sampled_from([*"a. é/\u202e\u0301", "nul", ".txt", "x" * 100, ". " * 60])


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)).filter(is_name))
def test_cleaning_a_name_twice_changes_nothing(sent: str) -> None:
    once = DisplayName.parse(sent)
    assert DisplayName.parse(once.text) == once
    assert len(once.text.encode()) <= MAXIMUM_BYTES


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        pytest.param("é" * 10_000 + ".tar.gz", ".gz", id="a suffix is kept"),
        pytest.param("a." + "é" * 10_000, "é", id="no suffix is that long"),
    ],
)
def test_a_long_name_is_shortened_between_characters(sent: str, end: str) -> None:
    name = DisplayName.parse(sent).text
    assert MAXIMUM_BYTES - 2 <= len(name.encode()) <= MAXIMUM_BYTES
    assert name.endswith(end)
