"""Content-Disposition says any name, in one line of ASCII."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from gateway.delivery.disposition import content_disposition

SURROGATE = re.compile(r"[\ud800-\udfff]")
#: RFC 6266: a quoted string that needs no escape, and RFC 8187's ext-value.
GRAMMAR = re.compile(
    r'(?P<kind>attachment|inline); filename="(?P<plain>[ !#-\[\]-~]*)"'
    r"(?:; filename\*=UTF-8''(?P<extended>(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})*))?"
)

NAMES = [
    pytest.param("  both ends  ", id="spaces-at-the-ends"),
    pytest.param("", id="empty"),
    pytest.param('say "hello".txt', id="quotes"),
    pytest.param("back\\slash.txt", id="backslash"),
    pytest.param('\\"; filename="evil.exe', id="breaking-out"),
    pytest.param("%41%0d%0a.txt", id="percent-encoded"),
    pytest.param("a\r\nSet-Cookie: x=y", id="header-injection"),
    pytest.param("nul\x00tab\tbell\x07delete\x7f", id="ascii-controls"),
    pytest.param("next\x85line\u2028paragraph\u2029", id="unicode-line-ends"),
    pytest.param("\u00dcberma\u00df.txt", id="latin-1"),
    pytest.param("\u202egpj.exe", id="right-to-left-override"),
    pytest.param("\u0301", id="combining-accent-alone"),
    pytest.param("\U0001f600.png", id="emoji"),
    pytest.param("\ufeffbom\ufffe\uffff", id="bom-and-noncharacters"),
]


def name_told(value: str) -> str:
    """Return the name that a client with RFC 8187 reads from the header."""
    match = GRAMMAR.fullmatch(value)
    assert match, value
    extended = match["extended"]
    return match["plain"] if extended is None else unquote(extended, errors="strict")


@pytest.mark.parametrize("name", NAMES)
def test_the_name_comes_back_letter_for_letter(name: str) -> None:
    """The test's own reader and Werkzeug's, which knows RFC 8187, find the same."""
    told = content_disposition(name, is_inline=False)
    kind, options = parse_options_header(told)
    assert name_told(told) == name
    assert (kind, options["filename"]) == ("attachment", name)


@given(st.text(), st.booleans())
@example("\r\n", True)  # noqa: FBT003 -- as hypothesis draws it
@example("\u212b", False)  # noqa: FBT003
def test_any_name_gives_one_line_of_ascii_that_tells_it(
    name: str,
    is_inline: bool,  # noqa: FBT001 -- hypothesis draws it
) -> None:
    """No name at all can end the line, leave the quotes or get lost."""
    value = content_disposition(name, is_inline=is_inline)
    assert value.isascii()
    assert value.isprintable()
    assert name_told(value) == name


@given(st.text(st.characters(exclude_categories=())))
@example("\ud800")
@example("\udc80.txt")
@example("\ud83d\ude00")
def test_a_lone_surrogate_is_a_question_mark(name: str) -> None:
    """What is no Unicode text can't be said, and is no reason to fail."""
    value = content_disposition(name, is_inline=False)
    assert name_told(value) == SURROGATE.sub("?", name)


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        pytest.param("report.pdf", "report.pdf", id="plain"),
        pytest.param("r\u00e9sum\u00e9.pdf", "resume.pdf", id="accents"),
        pytest.param("re\u0301sume\u0301.pdf", "resume.pdf", id="combining-accents"),
        pytest.param("\ufb01le.txt", "file.txt", id="ligature"),
        pytest.param("\u65e5\u672c.txt", "__.txt", id="japanese"),
        pytest.param('a"b\\c%d', "a_b_c_d", id="syntax"),
        pytest.param("\uff02\uff3c\uff05", "___", id="full-width-syntax"),
        pytest.param("\uff0e\uff0e\uff0fx", ".._x", id="full-width-path"),
        pytest.param("\u2105.txt", "c_o.txt", id="letter-with-a-slash"),
        pytest.param("a\r\n\tb", "a___b", id="controls"),
    ],
)
def test_the_fallback_says_what_ascii_can(name: str, fallback: str) -> None:
    """Old clients get a readable name that can hold no syntax and no path."""
    value = content_disposition(name, is_inline=False)
    assert value.startswith(f'attachment; filename="{fallback}"')


def test_a_plain_name_is_said_once() -> None:
    """Where both parameters would say the same, there is one."""
    value = content_disposition("report 1.pdf", is_inline=False)
    assert value == 'attachment; filename="report 1.pdf"'


def test_the_extended_name_is_percent_encoded_utf_8() -> None:
    """RFC 8187 section 3.2.3, its own example."""
    value = content_disposition("\u00a3 and \u20ac rates", is_inline=False)
    assert value.endswith("; filename*=UTF-8''%C2%A3%20and%20%E2%82%AC%20rates")


@pytest.mark.parametrize(
    ("is_inline", "kind"),
    [
        pytest.param(True, "inline", id="shown"),
        pytest.param(False, "attachment", id="saved"),
    ],
)
def test_the_kind_stands_first(kind: str, *, is_inline: bool) -> None:
    """A browser reads first whether to show or to save."""
    header = Message()
    header["Content-Disposition"] = content_disposition("\u00fc", is_inline=is_inline)
    assert header.get_content_disposition() == kind


@pytest.mark.parametrize(
    "letter",
    [
        pytest.param('"', id="one-byte-encoded"),
        pytest.param("\ufdfa", id="three-bytes-that-become-eighteen-letters"),
    ],
)
def test_the_longest_name_stays_far_below_a_header_buffer(letter: str) -> None:
    """NAME_MAX is 255 bytes; nginx must hold the header beside the location."""
    longest = letter * (255 // len(letter.encode()))
    assert len(content_disposition(longest, is_inline=False)) < 2500
