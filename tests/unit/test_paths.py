"""Untrusted path text becomes a checked value, or a refusal that says why."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NotServableError
from gateway.storage.paths import (
    MAXIMUM_BYTES,
    MAXIMUM_SEGMENT_BYTES,
    FilePath,
)

LONG_SEGMENT = "a" * MAXIMUM_SEGMENT_BYTES


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2024/q3/report.pdf", id="folders"),
        pytest.param("a.b..c", id="dots-inside"),
        pytest.param("trailing.", id="dot-at-the-end"),
        pytest.param("with space.txt", id="space"),
        pytest.param("100%.txt", id="percent"),
        pytest.param("a?b#c;d+e", id="url-syntax"),
        pytest.param("back\\slash", id="backslash"),
        pytest.param("\u00fcml\u00e4ut/\u65e5\u672c.txt", id="unicode"),
        pytest.param("\U0001f600.png", id="emoji"),
        pytest.param(LONG_SEGMENT, id="longest-segment"),
        pytest.param("-rf", id="dash"),
    ],
)
def test_a_plain_path_is_kept_letter_for_letter(text: str) -> None:
    """Only what is dangerous is refused; odd names are people's own."""
    assert FilePath.parse(text).text == text


REFUSED = [
    pytest.param("", "empty-segment", id="nothing"),
    pytest.param("/etc/passwd", "empty-segment", id="absolute"),
    pytest.param("a//b", "empty-segment", id="double-slash"),
    pytest.param("a/", "empty-segment", id="folder"),
    pytest.param(".", "dot-segment-or-hidden", id="dot"),
    pytest.param("a/./b", "dot-segment-or-hidden", id="dot-between"),
    pytest.param("a/..", "dot-segment-or-hidden", id="dot-dot-last"),
    pytest.param("...", "dot-segment-or-hidden", id="three-dots"),
    pytest.param(".env", "dot-segment-or-hidden", id="hidden-file"),
    pytest.param(".git/config", "dot-segment-or-hidden", id="hidden-folder"),
    pytest.param("a\x00.txt", "control-character", id="nul"),
    pytest.param("a\udcffb", "not-utf-8", id="escaped-byte"),
    pytest.param("a\ud800", "not-utf-8", id="high-surrogate"),
    pytest.param(LONG_SEGMENT + "a", "too-long", id="segment-of-256"),
    pytest.param("\u00fc" * 128, "too-long", id="segment-of-128-letters-256-bytes"),
    pytest.param("/".join([LONG_SEGMENT] * 17), "too-long", id="whole-path"),
]


@pytest.mark.parametrize(("text", "fact"), REFUSED)
def test_what_names_no_file_is_refused_with_the_fact(text: str, fact: str) -> None:
    """Each rule speaks up under its own name."""
    with pytest.raises(NotServableError) as caught:
        FilePath.parse(text)
    assert caught.value.fact == fact


def test_the_access_log_shows_the_fact() -> None:
    """The operator reads in the log which rule refused a path."""
    with pytest.raises(NotServableError) as caught:
        FilePath.parse("..")
    assert caught.value.reason == "not-servable:dot-segment-or-hidden"


def test_no_control_character_passes() -> None:
    """None of the ASCII controls gets to a header or a log."""
    controls = map(chr, [*range(0x20), 0x7F])
    assert [c for c in controls if parsed_or_none(f"a{c}b") is not None] == []


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"a\xc3", id="cut-short"),
        pytest.param(b"\xc0\xae\xc0\xae/x", id="overlong-dots"),
        pytest.param(b"\xed\xa0\x80", id="encoded-surrogate"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(raw: bytes) -> None:
    """Overlong and cut sequences, surrogates and Latin-1 are no text."""
    with pytest.raises(NotServableError) as caught:
        FilePath.decode(raw)
    assert caught.value.fact == "not-utf-8"


def test_utf_8_bytes_are_read() -> None:
    """The bytes of a URL are UTF-8."""
    assert FilePath.decode(b"\xc3\xbc/x").text == "\u00fc/x"


def test_decoding_checks_like_parsing() -> None:
    """Bytes get no way around the rules for text."""
    with pytest.raises(NotServableError) as caught:
        FilePath.decode(b"a/../b")
    assert caught.value.fact == "dot-segment-or-hidden"


def test_percent_signs_are_not_decoded_again() -> None:
    """What was decoded once is a name, whatever it looks like."""
    assert FilePath.decode(b"%2e%2e").text == "%2e%2e"


def test_the_name_is_the_last_segment() -> None:
    """A browser saves a file under its last segment."""
    assert FilePath.parse("a/b/report.pdf").name == "report.pdf"


@given(st.text(st.sampled_from("./a\u00e9\x00\x7f%\\ "), max_size=40))
def test_any_text_is_kept_exactly_if_no_rule_speaks_against_it(text: str) -> None:
    """The rules, written down a second time, give the same answer."""
    is_plain = not re.search(r"^$|(?:^|/)(?:[./]|$)|[\x00\x7f]", text)
    assert parsed_or_none(text) == {True: text, False: None}[is_plain]


@given(st.binary(max_size=300))
def test_any_bytes_come_back_the_same_or_are_refused(raw: bytes) -> None:
    """Nothing is repaired on the way, and no bytes raise another error."""
    assert decoded_or_none(raw) in {None, raw}


def test_the_longest_path_of_the_kernel_is_kept() -> None:
    """PATH_MAX counts the slashes: 4095 bytes pass."""
    text = "/".join(["a" * 15] * 256)
    assert len(FilePath.parse(text).text) == MAXIMUM_BYTES


def test_slashes_count_in_the_length_of_a_path() -> None:
    """One byte more is refused here, before any file is looked for."""
    text = "/".join(["a" * 16, *["a" * 15] * 255])
    with pytest.raises(NotServableError) as caught:
        FilePath.parse(text)
    assert (len(text), caught.value.fact) == (MAXIMUM_BYTES + 1, "too-long")


def parsed_or_none(text: str) -> str | None:
    """Return the text of the path, or None if it was refused."""
    try:
        return FilePath.parse(text).text
    except NotServableError:
        return None


def decoded_or_none(raw: bytes) -> bytes | None:
    """Return the bytes of the path, or None if they were refused."""
    try:
        return FilePath.decode(raw).text.encode()
    except NotServableError:
        return None
