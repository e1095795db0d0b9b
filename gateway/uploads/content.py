"""What a file really is: its type by content, compared with its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import puremagic

from gateway.storage import formats
from gateway.storage.media_types import DEFAULT, MediaTypes, is_inert

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.storage.names import DisplayName

# What browsers take for HTML when they sniff (WHATWG mimesniff 7.1), and XML.
_MARKUP: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<(?:!doctype html|html|head|script|iframe|h1|"
    rb"div|font|table|a|style|title|b|body|br|p|svg|\?xml|!--)[\t\n\x0c\r />?!-]",
    re.IGNORECASE,
)
_SCRIPT: Final = b"#!"
_UNKNOWN: Final = (DEFAULT, "bin")


def decide(name: DisplayName, path: Path, types: MediaTypes) -> tuple[str, str]:
    """Return the media type of a stored file and the suffix that gives it.

    The name decides, unless the content contradicts it: a program, markup, or
    another format than the name's.  Such a file is of no type at all, so that
    nothing shows it and no list of types takes it for what it is called.  A
    picture under another picture's name, sound and film likewise, is what it
    is: that is an everyday mistake, and no lie.
    """
    by_name = types.of(name.text)
    if by_name == DEFAULT:
        return _UNKNOWN
    with path.open("rb") as file:
        head = file.read(formats.HEAD)
    if formats.is_program(head) or _is_text_out_of_place(head, by_name):
        return _UNKNOWN
    found = formats.find(head)
    if found is None:
        is_other = is_inert(by_name) and _is_of_another_family(head, by_name)
        return _UNKNOWN if is_other else (by_name, name.suffix)
    if found.may_be(by_name):
        return by_name, name.suffix
    if _family(found.media_type) == _family(by_name) != "application":
        return found.media_type, found.suffix
    return _UNKNOWN


def _is_text_out_of_place(head: bytes, by_name: str) -> bool:
    is_textual = formats.is_textual(by_name)
    if _MARKUP.match(head):
        # Served as text/plain it is shown as what it is, and nobody sniffs.
        return by_name != "text/plain" and (is_inert(by_name) or not is_textual)
    return head.startswith(_SCRIPT) and not is_textual


def _is_of_another_family(head: bytes, by_name: str) -> bool:
    """Ask about the formats that are rarer than those which are known exactly."""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return False
    best = [match.mime_type for match in found if match.confidence >= _SURE]
    known = [_family(t) for t in best if "/" in t and is_inert(t)]
    return bool(known) and known[0] != _family(by_name)


_SURE: Final = 0.8


def _family(media_type: str) -> str:
    family = media_type.partition("/")[0]
    # Containers hold sound and film alike, and are named either way.
    return "media" if family in {"audio", "video"} else family
