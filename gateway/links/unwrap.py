"""Links in a pasted text, taken out of what mail filters have wrapped them in.

A filter has its readers open a link by way of its own site.  Most write the link into
the URL of that site:

- Microsoft's Safe Links: ``https://eur01.safelinks.protection.outlook.com/?url=...``
- Proofpoint's URL Defense, version 3: ``https://urldefense.com/v3/__...__;...!!...$``,
  and version 2: ``https://urldefense.proofpoint.com/v2/url?u=https-3A__...``
- Barracuda's Link Protection: ``https://linkprotect.cudasvc.com/url?a=...``

Mimecast keeps the link to itself.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.links.repair import (
    without_entities,
    without_escapes,
    without_soft_breaks,
    without_unseen,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is read of a pasted text.
MAXIMUM: Final = 8192
#: URLs that are unwrapped of it, paths that are taken out of it, and wrappings of one
#: link, at most.
_MOST_URLS: Final = 16
_MOST: Final = 12
_MOST_LAYERS: Final = 4

_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_PATH: Final = re.compile(r"/[sdluSDLU]/[^\s<>\"]+")
_SAFE_LINKS: Final = ".safelinks.protection.outlook.com"
_PROOFPOINT: Final = ("urldefense.com", "urldefense.us", "urldefense.proofpoint.com")
_BARRACUDA: Final = "linkprotect.cudasvc.com"
_MIMECAST: Final = (".mimecast.com", ".mimecastprotect.com")
#: In version 3 of Proofpoint's, how many characters ``**`` and one of these stand for.
_RUNS: Final = {
    letter: length
    for length, letter in enumerate(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", start=2
    )
}
_LEFT_OUT: Final = re.compile(r"\*(?:\*([A-Za-z0-9_-]))?")
_TO_ESCAPES: Final = str.maketrans("-_", "%/")


def paths(text: str) -> list[str]:
    """Return the paths of what may be links in *text*, the likeliest first.

    They are percent-decoded, with what is no UTF-8 as PEP 383 has it; ``Repair`` takes
    them.  *text* may be a whole mail, wrapped and quoted.
    """
    found = [
        unquote(path, errors="surrogateescape")
        for spelling in _spellings(text[:MAXIMUM])
        for part in (*_unwrapped(spelling), spelling)
        for path in _PATH.findall(part)
    ]
    return list(dict.fromkeys(found))[:_MOST]


def is_sealed(text: str) -> bool:
    """Tell whether a link in *text* is one of a filter that keeps the sender's."""
    urls = _URL.findall(text[:MAXIMUM])[:_MOST_URLS]
    return any(_host(url).endswith(_MIMECAST) for url in urls)


def _spellings(text: str) -> Iterator[str]:
    """Yield *text* as it is, with its lines joined, and without any blanks."""
    # A line may also end in the `=` of a query.
    for unbroken in (without_soft_breaks(text), text):
        # Else each `=` is the text's own.
        is_escaped = "=3D" in unbroken
        spelt = without_escapes(unbroken) if is_escaped else unbroken
        spelt = without_entities(spelt)
        lines = (line.strip(" \t>") for line in spelt.splitlines())
        joined = without_unseen("".join(lines))
        yield from (spelt, joined, "".join(joined.split()))


def _unwrapped(text: str) -> Iterator[str]:
    """Yield what is wrapped into the URLs in *text*, one layer after another."""
    for url in _URL.findall(text)[:_MOST_URLS]:
        inner: str | None = url
        for _ in range(_MOST_LAYERS):
            inner = unwrap(inner) if inner else None
            yield inner or ""


def unwrap(url: str) -> str | None:
    """Return the URL that a filter has wrapped into *url*, or None if none has."""
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
    except ValueError:  # brackets that hold no IPv6 address
        return ""


def _field(url: str, name: str) -> str | None:
    fields = parse_qs(urlsplit(url).query)
    return fields.get(name, [None])[0]


def _proofpoint_3(url: str) -> str | None:
    """Undo version 3: what it left out of the URL stands behind it, in base64."""
    shown, _, rest = url.partition("/v3/__")[2].partition("__;")
    try:
        left_out = urlsafe_b64decode(rest.partition("!")[0] + "==")
    except ValueError:
        return None
    place = 0

    def put_back(match: re.Match[str]) -> str:
        nonlocal place
        begin, place = place, place + _RUNS.get(match[1], 1)
        return left_out[begin:place].decode(errors="replace")

    return _LEFT_OUT.sub(put_back, shown)
