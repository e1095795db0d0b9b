"""What arrives of the gateway's answers: headers, caches, compression, the clock."""

from __future__ import annotations

import re
import secrets
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.delivery.accel import Way, location
from gateway.doctor.results import Code, found, not_checked, passed
from gateway.doctor.site import REPLACED
from gateway.storage.content import BLOBS

if TYPE_CHECKING:
    from gateway.doctor.client import Answer
    from gateway.doctor.results import Result
    from gateway.doctor.site import Site

#: A page that is never cached and never compressed by the gateway.
PAGE: Final = "/login"
STYLE_SHEET: Final = "/static/style.css"
_LINK: Final = re.compile(r'href="([^"]+)"')
ID: Final = "X-Request-ID"
COMPRESSIONS: Final = {"Accept-Encoding": "gzip, br, zstd"}
_HEADERS: Final = (
    ID,
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Content-Security-Policy",
)
#: Headers in which caches say that they have answered.
_CACHE_HEADERS: Final = (
    "X-Cache",
    "X-Cache-Status",
    "CF-Cache-Status",
    "X-Proxy-Cache",
)
#: A cache may store an answer only after its second request.
_REQUESTS: Final = 3
#: Seconds that two clocks may differ: links end to the second.
_CLOCKS: Final = 10
#: nginx's internal locations of files, of a first and a second folder and of uploads.
_FILES: Final = tuple(
    location(way, folder) for folder in ("files", "files_2", BLOBS) for way in Way
)
#: All internal names that a client could try: nginx's, and those of its own requests to
#: Flask.
INTERNAL: Final = (
    *(*_FILES, "/_admit", "/_authorize", "/_begin", "/_commit", "/_cut", "/_metrics"),
    *("/_object", "/_pages/error.html", "/_unfit", "/_verdict"),
)


def style_sheet(page: Answer) -> str | None:
    """Return the URL of a page's style sheet, which is a path; None if it has none."""
    links = _LINK.findall(page.body.decode(errors="replace"))
    found = (link for link in links if STYLE_SHEET in link)
    return next(found, None)


def check_headers(site: Site) -> list[Result]:
    """Check that the headers that protect readers arrive."""
    answer = site.client.ask(PAGE)
    missing = [name for name in _HEADERS if name not in answer.headers]
    if missing:
        return [
            found(
                Code.HEADERS_STRIPPED,
                f"{PAGE} arrives without {', '.join(missing)}.",
                "Remove from the proxy: "
                + " ".join(f"proxy_hide_header {name};" for name in missing),
            )
        ]
    return [passed(Code.HEADERS_STRIPPED, "The gateway's headers arrive.")]


def check_compression(site: Site) -> list[Result]:
    """Check that no proxy compresses: a compressed file can't be resumed."""
    return [compression(site.client.ask(PAGE, headers=COMPRESSIONS), PAGE)]


def compression(answer: Answer, what: str) -> Result:
    """Return whether an answer that the gateway never compresses is compressed."""
    encoding = answer.header("Content-Encoding")
    if encoding is None:
        return passed(Code.COMPRESSED, f"{what} arrives uncompressed.")
    return found(
        Code.COMPRESSED,
        f"{what} arrives with Content-Encoding: {encoding}, which the gateway did not "
        "send: downloads lose their length and can't be resumed.",
        "In the proxy's location: gzip off; (and brotli off;)",
    )


def check_caches(site: Site) -> list[Result]:
    """Check that no cache answers for the gateway."""
    answers = [site.client.ask(PAGE) for _ in range(_REQUESTS)]
    return [caching(answers, PAGE)]


def caching(answers: list[Answer], what: str) -> Result:
    """Return whether a cache gave one of the *answers* to equal requests."""
    ids = [answer.headers.get(ID, "") for answer in answers]
    sign = ""
    for answer in answers:
        age = answer.header("Age") or "0"
        if age.isdecimal() and int(age) > 0:
            sign = f"Age: {age}"
        for name in _CACHE_HEADERS:
            text = answer.header(name) or ""
            if "hit" in text.lower():
                sign = f"{name}: {text}"
    if all(ids) and len(set(ids)) < len(ids):
        sign = f"two answers have the same {ID}"
    if sign:
        return found(
            Code.CACHED,
            f"{what} came from a cache ({sign}): it gives private answers to others.",
            "In the proxy's location: proxy_cache off; or make it respect "
            "Cache-Control: remove proxy_ignore_headers Cache-Control;",
        )
    if not all(ids):
        return not_checked(Code.CACHED, f"answers arrive without {ID}")
    return passed(Code.CACHED, f"No cache answers for {what}.")


def check_clock(site: Site) -> list[Result]:
    """Compare the server's clock with this machine's."""
    before = site.clock()
    answer = site.client.ask("/healthz")
    after = site.clock()
    try:
        server = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return [not_checked(Code.CLOCK, "the answers have no valid Date")]
    # Date is rounded down to a second.
    behind, ahead = int(before) - server, server - after
    apart = max(behind, ahead)
    if apart <= _CLOCKS:
        return [passed(Code.CLOCK, "The server's clock agrees with this machine's.")]
    way = "behind" if behind > ahead else "ahead of"
    return [
        found(
            Code.CLOCK,
            f"The server's clock is {apart:.0f} s {way} this machine's: links end at "
            "another time than they say.",
            "On the machine whose clock is wrong: timedatectl set-ntp true",
        )
    ]


def check_internal(site: Site) -> list[Result]:
    """Check that internal locations look like any URL that does not exist."""
    if site.are_refusals_replaced:
        return [not_checked(Code.INTERNAL_REACHABLE, REPLACED)]
    nothing = site.client.ask(f"/_{secrets.token_hex(8)}").status
    reachable = []
    for path in _internal_paths(site):
        status = site.client.ask(path).status
        if status != nothing or status == HTTPStatus.OK:
            reachable.append(f"{path} ({status})")
    if reachable:
        return [
            found(
                Code.INTERNAL_REACHABLE,
                f"Internal locations are reachable without a link: "
                f"{', '.join(reachable)}; an unknown URL gets {nothing}.",
                "Each location /_... of nginx needs internal; and no other server or "
                "location may serve the files folder or the store.",
            )
        ]
    return [passed(Code.INTERNAL_REACHABLE, "Internal locations are not reachable.")]


def _internal_paths(site: Site) -> list[str]:
    """Return what to try; a file that exists tells most."""
    return [*INTERNAL, *([f"/_files/{quote(site.file)}"] if site.file else [])]
