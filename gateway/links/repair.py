"""What mail and people do to a link, undone.

A program that makes links of text takes the full stop behind one along; a mail is
wrapped in the middle of one; a reader types one from paper.  The path that arrives
gives a few candidates, and the signature tells which of them was sent.  Nothing else is
looked at, so that nothing can be learnt of what exists.
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

#: The candidates of one path, at most; each costs a signature.
MOST: Final = 8

#: The longest path that is served has 4095 bytes, and claims have 1024 characters.
#: (!) nginx takes no header of 16 KB from Flask, and a longer URL would be a 5xx.
_LONGEST_URL: Final = 13_500
#: Characters that are looked at of a path, of what should be a code, and entities that
#: are read: a refusal is not to cost more time.
_LONGEST: Final = 4096
_LONGEST_CODE: Final = 400
_MOST_ENTITIES: Final = 16
_DROP: Final = "/u/"
_SHARE: Final = "/d/"
_LEASE: Final = "/l/"
#: By the prefix of its URL, what a code is signed for.
_USES: Final = {_DROP: Use.DROP, _SHARE: Use.SHARE, _LEASE: Use.LEASE}
#: Whose path behind the token is a part of the link.
_WITH_PATH: Final = (signed_url.PREFIX, _LEASE)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]")
#: How many of the cleaned texts leave names as they are.
_WITHOUT_NAMES: Final = 2
_NO_LETTER: Final = re.compile(r"[^A-Za-z0-9]")
_EARLIER: Final = re.compile(r"[a-z0-9]{1,32}\.[A-Za-z0-9_-]{22}", re.ASCII)
#: Characters that show nothing: controls and the line's end, soft hyphens, zero-width
#: and directional marks.  Words of Persian and of Indian languages need the joiners.
_UNSEEN: Final = dict.fromkeys(
    (
        *range(0x20),
        *range(0x7F, 0xA0),
        *(0xAD, 0x34F, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
    )
)
#: What stands around a link in a text.  U+FFFD was no UTF-8.
_AROUND: Final = (
    " \xa0.,;:!?()[]{}<>\"'*_`~|\\=&"
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
    "\u2026\u2013\u2014\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\ufffd"
)
_OPENING: Final = dict(zip(")]}>", "([{<", strict=True))
#: How many of them are taken off at the end.
_MOST_BEHIND: Final = 16
#: The end of a line that a quoted-printable text was wrapped at, and how a reply quotes
#: the next one.
_SOFT_BREAK: Final = re.compile(r"=[ \t]*\r?\n(?:>[> ]*)?")
_ESCAPED: Final = re.compile(r"=([2-7][0-9A-F])")
_ENTITY: Final = re.compile(r"&#?[0-9A-Za-z]{1,8};")
_SECOND_LINK: Final = re.compile(r"https?://", re.IGNORECASE)
#: Where a query, a fragment or markup begins that has become a part of the path.
_BEHIND: Final = re.compile(r"[?#<>\"]|&[A-Za-z_][A-Za-z0-9_.-]{0,40}=")


@dataclass(frozen=True)
class Repair:
    """Finds the clean link of a damaged one; ``ring`` and ``secret`` have signed it.

    A path is percent-decoded, with what is no UTF-8 as PEP 383 has it
    (``surrogateescape``).  What is found is percent-encoded.
    """

    ring: KeyRing
    secret: ServerSecret

    def of_refused(self, path: str) -> str | None:
        """Return the clean link of a path that led nowhere, if it is another one."""
        found = candidates(path)
        if found[1:] and self._verifies(path):
            # Its token opens a folder, or is a lease: any name behind it verifies, and
            # what is no part of a name is all that surely is damage.
            found = candidates(path, within_names=False)
        return self._first(text for text in found if text != path)

    def of_pasted(self, path: str) -> str | None:
        """Return the clean link of a path that was not asked for yet."""
        return self._first(candidates(path))

    def _first(self, paths: Iterable[str]) -> str | None:
        found = (path for path in paths if self._verifies(path))
        urls = (quote(path, safe="/-._~") for path in found)
        return next((url for url in urls if len(url) <= _LONGEST_URL), None)

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
    """Return the paths that may have been meant by *path*, the likeliest first.

    A path that is clean is its own candidate; text that is no link has none.  Blanks
    and equals signs are taken for damage if it may lie *within_names*.
    """
    prefix, rest = path[:3].lower(), path[3:_LONGEST]
    if prefix != signed_url.PREFIX and prefix not in _USES:
        return []
    cleaned = _cleaned(rest) if within_names else _cleaned(rest)[:_WITHOUT_NAMES]
    found = [text for each in cleaned for text in _meant(prefix, each)]
    if prefix in _WITH_PATH:
        found.insert(0, _readable(rest))
    return [prefix + text for text in dict.fromkeys(found)][:MOST]


def _meant(prefix: str, text: str) -> Iterator[str]:
    """Yield the links that *text* behind the prefix may be, with a clean token."""
    token, slash, inner = text.partition("/")
    if prefix == signed_url.PREFIX:
        yield f"{_FOREIGN.sub('', token)}{slash}{inner}"
        return
    for code in _codes(token):
        if prefix == _LEASE:
            yield f"{code}{slash}{inner}"
        elif prefix == _SHARE and code == token and _is_plain(inner):
            yield text  # with the name that its sender gave it
        else:
            yield code


def _is_plain(path: str) -> bool:
    """Tell whether a request can ask for what stands behind a token.

    (!) A browser follows dot segments, and would be led to another page.
    """
    return {"", ".", ".."}.isdisjoint(path.split("/"))


def _cleaned(rest: str) -> list[str]:
    """Return what stood behind the prefix, with ever more taken for damage."""
    text = without_unseen(without_entities(without_soft_breaks(rest)))
    whole = _SECOND_LINK.split(text, maxsplit=1)[0]
    alone = _BEHIND.split(whole, maxsplit=1)[0]
    found = [
        whole,
        alone,
        *_with_fewer_blanks(alone.split()),
        alone.replace("=3D", "").replace("=", ""),
        without_escapes(alone),
        rest,
    ]
    return [_alone(text) for text in found]


def without_soft_breaks(text: str) -> str:
    """Return *text* with its lines joined, if it is quoted-printable, and quoted."""
    return _SOFT_BREAK.sub("", text)


def without_escapes(text: str) -> str:
    """Return quoted-printable *text* with the characters themselves."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def without_entities(text: str) -> str:
    """Return *text* of HTML with the characters themselves."""
    return _ENTITY.sub(
        lambda match: html.unescape(match[0]), text, count=_MOST_ENTITIES
    )


def without_unseen(text: str) -> str:
    """Return *text* without the characters that show nothing, line ends included."""
    return text.translate(_UNSEEN)


def _with_fewer_blanks(words: list[str]) -> Iterator[str]:
    """Yield text without the blanks that a line's end has left in it."""
    yield "".join(words)
    yield " ".join(words)
    for place in range(1, min(len(words), MOST)):
        yield " ".join(words[:place]) + " ".join(words[place:])


def _alone(text: str) -> str:
    """Return *text* without what stands around it; a bracket of its own stays."""
    text = _readable(text).lstrip(_AROUND)
    for _ in range(_MOST_BEHIND):
        last = text[-1:]
        opening = _OPENING.get(last)
        is_own = opening is not None and text.count(opening) >= text.count(last)
        if not last or last not in _AROUND or is_own:
            break
        text = text[:-1]
    return text


def _readable(text: str) -> str:
    """Return *text* with the characters whose bytes stand together again."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _codes(token: str) -> Iterator[str]:
    """Yield the codes that *token* begins with, in either form."""
    first = token[:_LONGEST_CODE]
    if earlier := _EARLIER.match("".join(first.split())):
        yield earlier[0]
    letters = _NO_LETTER.sub("", first)
    if len(letters) >= codes.LENGTH:
        yield codes.canonical(letters[: codes.LENGTH])
