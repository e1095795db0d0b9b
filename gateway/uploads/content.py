"""What a file really is: its type by content, compared with its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import puremagic

from gateway.storage.media_types import DEFAULT, MediaTypes, is_inert

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.storage.names import DisplayName

_HEAD: Final = 4096
# What browsers take for HTML when they sniff (WHATWG mimesniff 7.1), and XML.
_MARKUP: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<(?:!doctype html|html|head|script|iframe|h1|"
    rb"div|font|table|a|style|title|b|body|br|p|svg|\?xml|!--)[\t\n\x0c\r />?!-]",
    re.IGNORECASE,
)
_MARKUP_TYPE: Final = "text/html"


def decide(name: DisplayName, path: Path, types: MediaTypes) -> tuple[str, str]:
    """Return the media type of a stored file and the suffix that gives it.

    The name decides, unless the content contradicts it: markup under the name
    of something inert, or one kind of picture, sound or film under the name of
    another.  Such a file is of no type at all, so that nothing shows it.
    """
    by_name = types.of(name.text)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    by_content = _sniff(head)
    is_contradicted = (
        is_inert(by_name)
        and by_content is not None
        and _family(by_content) != _family(by_name)
    )
    if by_name == DEFAULT or is_contradicted:
        return DEFAULT, "bin"
    return by_name, name.suffix


def _sniff(head: bytes) -> str | None:
    if _MARKUP.match(head):
        return _MARKUP_TYPE
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    best = [match.mime_type for match in found if match.confidence >= _SURE]
    known = [t for t in best if "/" in t and is_inert(t)]
    return known[0] if known else None


_SURE: Final = 0.8


def _family(media_type: str) -> str:
    family = media_type.partition("/")[0]
    # Containers hold sound and film alike, and are named either way.
    return "media" if family in {"audio", "video"} else family
