"""Repair links that mail programs or people have damaged.

A program that detects links in text includes the full stop after a link; a mail program
wraps the line in the middle of a link; a reader types a link from paper.  The damaged
path gives a few candidates, and the signature tells which of them was sent.  Only the
signature is checked, so that a request reveals nothing about what exists.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.errors import LinkError
from gateway.links import codes, signed_url
from gateway.links.server_secret import Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.links.keyring import KeyRing
    from gateway.links.server_secret import ServerSecret

#: Maximum number of candidates of one path; each costs a signature check.
MAXIMUM_CANDIDATES: Final = 8

#: The longest path that is served has 4095 bytes, and claims have 1024 characters.
#: (!) nginx takes no header of 16 KB from Flask, and a longer URL would be a 5xx.
_MAXIMUM_URL: Final = 13_500
#: Maximum number of characters read from a path and from a code, and of decoded
#: entities: these limit the time that a refusal takes.
_MAXIMUM_PATH: Final = 4096
_MAXIMUM_CODE: Final = 400
_MAXIMUM_ENTITIES: Final = 16
_DROP: Final = "/u/"
_SHARE: Final = "/d/"
_LEASE: Final = "/l/"
#: The use that a code is signed for, by the prefix of its URL.
_USES: Final = {_DROP: Use.DROP, _SHARE: Use.SHARE, _LEASE: Use.LEASE}
#: Prefixes of links whose path after the token is a part of the link.
_WITH_PATH: Final = (signed_url.PREFIX, _LEASE)
#: Characters that no token contains.
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]")
#: How many texts of ``_cleaned``, from the first, leave names unchanged.
_WITHOUT_NAMES: Final = 2
_NO_LETTER: Final = re.compile(r"[^A-Za-z0-9]")
#: A code in the earlier form.
_EARLIER: Final = re.compile(r"[a-z0-9]{1,32}\.[A-Za-z0-9_-]{22}", re.ASCII)
#: Invisible characters: controls, line ends, soft hyphens, zero-width and directional
#: marks.  Not the joiners: words of Persian and of Indian languages need them.
_INVISIBLE: Final = dict.fromkeys(
    (
        *range(0x20),
        *range(0x7F, 0xA0),
        *(0xAD, 0x34F, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
    )
)
#: Characters that surround a link in a text.  U+FFFD replaces bytes that are not UTF-8.
_SURROUNDING: Final = (
    " \xa0.,;:!?()[]{}<>\"'*_`~|\\=&"
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
    "\u2026\u2013\u2014\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\ufffd"
)
_OPENING: Final = dict(zip(")]}>", "([{<", strict=True))
#: Maximum number of surrounding characters that are removed at the end.
_MAXIMUM_TRAILING: Final = 16
#: A soft line break of quoted-printable text, and quote marks on the next line.
_SOFT_BREAK: Final = re.compile(r"=[ \t]*\r?\n(?:>[> ]*)?")
_ESCAPED: Final = re.compile(r"=([2-7][0-9A-F])")
_ENTITY: Final = re.compile(r"&#?[0-9A-Za-z]{1,8};")
_SECOND_LINK: Final = re.compile(r"https?://", re.IGNORECASE)
#: The begin of a query, a fragment or markup that has become a part of the path.
_QUERY_OR_MARKUP: Final = re.compile(r"[?#<>\"]|&[A-Za-z_][A-Za-z0-9_.-]{0,40}=")


@dataclass(frozen=True)
class Repair:
    """Finds the original link of a damaged link, verified by ``ring`` and ``secret``.

    Paths are percent-decoded, with bytes that are not UTF-8 escaped as in PEP 383
    (``surrogateescape``).  Results are percent-encoded.
    """

    ring: KeyRing
    secret: ServerSecret

    def of_refused(self, path: str) -> str | None:
        """Return the original link of a refused path, or None; never *path* itself."""
        paths = candidates(path)
        if paths[1:] and self._verifies(path):
            # The token covers a folder, or is a lease: any name after it verifies. So
            # only characters that can't be part of a name are certainly damage.
            paths = candidates(path, within_names=False)
        return self._first(text for text in paths if text != path)

    def of_pasted(self, path: str) -> str | None:
        """Return the original link of a path that somebody has pasted, or None."""
        return self._first(candidates(path))

    def _first(self, paths: Iterable[str]) -> str | None:
        verified = (path for path in paths if self._verifies(path))
        urls = (quote(path, safe="/-._~") for path in verified)
        return next((url for url in urls if len(url) <= _MAXIMUM_URL), None)

    def _verifies(self, path: str) -> bool:
        prefix = path[:3]
        token, _, inner = path[3:].partition("/")
        if "\ufffd" in path or (prefix in _WITH_PATH and not _is_plain(inner)):
            return False
        try:
            if prefix == signed_url.PREFIX:
                return bool(signed_url.verify(self.ring, token, inner))
            if prefix == _DROP and codes.is_earlier(token):
                return bool(codes.verify_earlier(self.ring, token))
            return bool(codes.verify(self.secret, _USES[prefix], token))
        except (KeyError, LinkError):
            return False


def candidates(path: str, *, within_names: bool = True) -> list[str]:
    """Return the paths that *path* may have been originally, the likeliest first.

    An undamaged path is its own candidate; text that is not a link has no candidates.
    With *within_names*, spaces and equals signs count as damage.
    """
    prefix, rest = path[:3].lower(), path[3:_MAXIMUM_PATH]
    if prefix != signed_url.PREFIX and prefix not in _USES:
        return []
    cleaned = _cleaned(rest) if within_names else _cleaned(rest)[:_WITHOUT_NAMES]
    links = [link for text in cleaned for link in _links(prefix, text)]
    if prefix in _WITH_PATH:
        links.insert(0, _readable(rest))
    return [prefix + text for text in dict.fromkeys(links)][:MAXIMUM_CANDIDATES]


def _links(prefix: str, text: str) -> Iterator[str]:
    """Yield possible links of the *text* after the prefix, each with a clean token."""
    token, slash, inner = text.partition("/")
    if prefix == signed_url.PREFIX:
        yield f"{_FOREIGN.sub('', token)}{slash}{inner}"
        return
    for code in _codes(token):
        if prefix == _LEASE:
            yield f"{code}{slash}{inner}"
        elif prefix == _SHARE and code == token and _is_plain(inner):
            yield text  # with the cosmetic name after the code
        else:
            yield code


def _is_plain(path: str) -> bool:
    """Tell whether the path after a token has no empty and no dot segments.

    (!) A browser resolves dot segments: the link would lead to another page.
    """
    return {"", ".", ".."}.isdisjoint(path.split("/"))


def _cleaned(rest: str) -> list[str]:
    """Return versions of the text after the prefix, with different damage removed."""
    text = without_invisible(without_entities(without_soft_breaks(rest)))
    link = _SECOND_LINK.split(text, maxsplit=1)[0]
    path = _QUERY_OR_MARKUP.split(link, maxsplit=1)[0]
    versions = [
        link,
        path,
        *_with_fewer_blanks(path.split()),
        path.replace("=3D", "").replace("=", ""),
        without_escapes(path),
        rest,
    ]
    return [_without_surroundings(text) for text in versions]


def without_soft_breaks(text: str) -> str:
    """Return quoted-printable *text* without soft line breaks and quote marks."""
    return _SOFT_BREAK.sub("", text)


def without_escapes(text: str) -> str:
    """Return quoted-printable *text* with its escapes decoded."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def without_entities(text: str) -> str:
    """Return HTML *text* with its entities decoded."""
    return _ENTITY.sub(
        lambda match: html.unescape(match[0]), text, count=_MAXIMUM_ENTITIES
    )


def without_invisible(text: str) -> str:
    """Return *text* without invisible characters and line ends."""
    return text.translate(_INVISIBLE)


def _with_fewer_blanks(words: list[str]) -> Iterator[str]:
    """Yield the text without the spaces that a line break may have left in it."""
    yield "".join(words)
    yield " ".join(words)
    for index in range(1, min(len(words), MAXIMUM_CANDIDATES)):
        yield " ".join(words[:index]) + " ".join(words[index:])


def _without_surroundings(text: str) -> str:
    """Return *text* without surrounding characters; a balanced bracket stays."""
    text = _readable(text).lstrip(_SURROUNDING)
    for _ in range(_MAXIMUM_TRAILING):
        last = text[-1:]
        opening = _OPENING.get(last)
        is_balanced = opening is not None and text.count(opening) >= text.count(last)
        if not last or last not in _SURROUNDING or is_balanced:
            break
        text = text[:-1]
    return text


def _readable(text: str) -> str:
    """Return *text* with escaped bytes decoded where they form UTF-8 characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _codes(token: str) -> Iterator[str]:
    """Yield the codes that *token* begins with, in the earlier and the current form."""
    first = token[:_MAXIMUM_CODE]
    if earlier := _EARLIER.match("".join(first.split())):
        yield earlier[0]
    letters = _NO_LETTER.sub("", first)
    if len(letters) >= codes.LENGTH:
        yield codes.canonical(letters[: codes.LENGTH])
