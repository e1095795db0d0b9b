"""A stored file's media type: by its name, unless its content contradicts it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import puremagic

from gateway.storage import formats
from gateway.storage.media_types import DEFAULT, MediaTypes, is_inert

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.storage.names import DisplayName

# The texts that browsers sniff as HTML (WHATWG mimesniff 7.1), and XML.
_MARKUP: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<(?:!doctype html|html|head|script|iframe|h1|"
    rb"div|font|table|a|style|title|b|body|br|p|svg|\?xml|!--)[\t\n\x0c\r />?!-]",
    re.IGNORECASE,
)
_SCRIPT: Final = b"#!"
_UNKNOWN: Final = (DEFAULT, "bin")


def decide(name: DisplayName, path: Path, types: MediaTypes) -> tuple[str, str]:
    """Return a stored file's media type, and the suffix that nginx maps to it.

    The name decides, unless the content contradicts it: a program, markup, or a
    format other than the name's.  A contradicting file gets the unknown type
    (``application/octet-stream``), so that no browser shows it and no list of types
    accepts it under its name.  A wrong name within one family (image, audio and
    video) is a common mistake: the file gets the type of its content.
    """
    by_name = types.of(name.text)
    if by_name == DEFAULT:
        return _UNKNOWN
    with path.open("rb") as file:
        head = file.read(formats.HEAD)
    if formats.is_program(head) or _is_text_out_of_place(head, by_name):
        return _UNKNOWN
    by_content = formats.find(head)
    if by_content is None:
        is_other = is_inert(by_name) and _is_of_another_family(head, by_name)
        return _UNKNOWN if is_other else (by_name, name.suffix)
    if by_content.may_be(by_name):
        return by_name, name.suffix
    if _family(by_content.media_type) == _family(by_name) != "application":
        return by_content.media_type, by_content.suffix
    return _UNKNOWN


def _is_text_out_of_place(head: bytes, by_name: str) -> bool:
    is_textual = formats.is_textual(by_name)
    if _MARKUP.match(head):
        # As text/plain, markup is shown as source; browsers don't sniff it.
        return by_name != "text/plain" and (is_inert(by_name) or not is_textual)
    return head.startswith(_SCRIPT) and not is_textual


def _is_of_another_family(head: bytes, by_name: str) -> bool:
    """Check with puremagic, for formats that ``formats`` doesn't know."""
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return False
    best = [match.mime_type for match in matches if match.confidence >= _CONFIDENCE]
    inert = [_family(t) for t in best if "/" in t and is_inert(t)]
    return bool(inert) and inert[0] != _family(by_name)


_CONFIDENCE: Final = 0.8


def _family(media_type: str) -> str:
    family = media_type.partition("/")[0]
    # A container may hold audio or video, and its name may indicate either.
    return "media" if family in {"audio", "video"} else family
