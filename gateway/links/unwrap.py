"""Extract links from a pasted text, and unwrap links that mail filters have rewritten.

A filter replaces each link by a link to the filter's site.  Most filters put the
original link into that URL:

- Microsoft's Safe Links: ``https://eur01.safelinks.protection.outlook.com/?url=...``
- Proofpoint's URL Defense, version 3: ``https://urldefense.com/v3/__...__;...!!...$``,
  and version 2: ``https://urldefense.proofpoint.com/v2/url?u=https-3A__...``
- Barracuda's Link Protection: ``https://linkprotect.cudasvc.com/url?a=...``

Mimecast's URLs do not contain the original link.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.links.repair import (
    without_entities,
    without_escapes,
    without_invisible,
    without_soft_breaks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters of a pasted text that are read.
MAXIMUM: Final = 8192
#: Maximum URLs in the text that are unwrapped, maximum paths that are returned, and
#: maximum layers of one link.
_MAXIMUM_URLS: Final = 16
_MAXIMUM_PATHS: Final = 12
_MAXIMUM_LAYERS: Final = 4

_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_PATH: Final = re.compile(r"/[sdluSDLU]/[^\s<>\"]+")
_SAFE_LINKS: Final = ".safelinks.protection.outlook.com"
_PROOFPOINT: Final = ("urldefense.com", "urldefense.us", "urldefense.proofpoint.com")
_BARRACUDA: Final = "linkprotect.cudasvc.com"
_MIMECAST: Final = (".mimecast.com", ".mimecastprotect.com")
#: In Proofpoint's version 3: how many characters ``**`` and one of these letters mean.
_RUNS: Final = {
    letter: length
    for length, letter in enumerate(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", start=2
    )
}
_REPLACED: Final = re.compile(r"\*(?:\*([A-Za-z0-9_-]))?")
_TO_ESCAPES: Final = str.maketrans("-_", "%/")


def paths(text: str) -> list[str]:
    """Return the paths of possible links in *text*, the likeliest first.

    The paths are percent-decoded, with bytes that are not UTF-8 escaped as in PEP 383;
    pass them to ``Repair``.  *text* may be a whole mail, wrapped and quoted.
    """
    found = [
        unquote(path, errors="surrogateescape")
        for spelling in _spellings(text[:MAXIMUM])
        for part in (*_unwrapped(spelling), spelling)
        for path in _PATH.findall(part)
    ]
    return list(dict.fromkeys(found))[:_MAXIMUM_PATHS]


def is_sealed(text: str) -> bool:
    """Tell whether *text* has a link of a filter that hides the original link."""
    urls = _URL.findall(text[:MAXIMUM])[:_MAXIMUM_URLS]
    return any(_host(url).endswith(_MIMECAST) for url in urls)


def _spellings(text: str) -> Iterator[str]:
    """Yield *text* with decoded escapes, with joined lines, and without spaces."""
    # Also without removing soft breaks: a line may end in the `=` of a query.
    for unbroken in (without_soft_breaks(text), text):
        # Without `=3D`, the text is not quoted-printable: each `=` is literal.
        is_escaped = "=3D" in unbroken
        spelt = without_escapes(unbroken) if is_escaped else unbroken
        spelt = without_entities(spelt)
        lines = (line.strip(" \t>") for line in spelt.splitlines())
        joined = without_invisible("".join(lines))
        yield from (spelt, joined, "".join(joined.split()))


def _unwrapped(text: str) -> Iterator[str]:
    """Yield the links that are wrapped in the URLs in *text*, layer by layer."""
    for url in _URL.findall(text)[:_MAXIMUM_URLS]:
        inner: str | None = url
        for _ in range(_MAXIMUM_LAYERS):
            inner = unwrap(inner) if inner else None
            yield inner or ""


def unwrap(url: str) -> str | None:
    """Return the original URL that a filter has wrapped in *url*, or None."""
    host = _host(url)
    if host.endswith(_SAFE_LINKS):
        return _field(url, "url")
    if host == _BARRACUDA:
        return _field(url, "a")
    if host in _PROOFPOINT and "/v3/__" in url:
        return _proofpoint_3(url)
    if host in _PROOFPOINT:
        encoded = url.partition("?u=")[2].partition("&")[0]
        return unquote(encoded.translate(_TO_ESCAPES))
    return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets without an IPv6 address
        return ""


def _field(url: str, name: str) -> str | None:
    fields = parse_qs(urlsplit(url).query)
    return fields.get(name, [None])[0]


def _proofpoint_3(url: str) -> str | None:
    """Decode version 3: the characters replaced in the URL follow it, in base64."""
    shown, _, rest = url.partition("/v3/__")[2].partition("__;")
    try:
        replaced = urlsafe_b64decode(rest.partition("!")[0] + "==")
    except ValueError:
        return None
    position = 0

    def restore(match: re.Match[str]) -> str:
        nonlocal position
        begin, position = position, position + _RUNS.get(match[1], 1)
        return replaced[begin:position].decode(errors="replace")

    return _REPLACED.sub(restore, shown)
