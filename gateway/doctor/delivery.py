"""Whether a file arrives with ranges, validators and length, as nginx sends it.

A link to a file tells most.  Without one, a style sheet of the pages must do, which the
gateway's nginx sends in the same way, but which it may compress and anybody may cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.doctor.answers import (
    COMPRESSIONS,
    PAGE,
    STYLE_SHEET,
    caching,
    compression,
    style_sheet,
)
from gateway.doctor.results import Code, found, not_checked, passed

if TYPE_CHECKING:
    from gateway.doctor.client import Answer, Client
    from gateway.doctor.results import Result
    from gateway.doctor.site import Site

_RANGE: Final = {"Range": "bytes=0-0"}
#: A client that has one version of a file asks for a byte of the same version.
_RANGE_OF_ANOTHER: Final = {**_RANGE, "If-Range": '"gateway-doctor"'}
_IN_LOCATION: Final = "In the proxy's location:"

CODES: Final = (
    Code.FILE_REFUSED,
    Code.RANGE_STRIPPED,
    Code.ETAG_STRIPPED,
    Code.ACCEPT_RANGES_STRIPPED,
)


@dataclass(frozen=True)
class _Subject:
    """What is fetched: a path below the target's prefix, and its name for people."""

    path: str
    name: str


def check(site: Site) -> list[Result]:
    """Fetch a file by a link, or else a style sheet; compare with what nginx sends."""
    why = site.why_no_links
    if not why and site.foreign_status != HTTPStatus.FORBIDDEN:
        why = "the gateway refuses the links of this machine"
    if not why and site.file is None:
        why = "there is no file to fetch"
    if why:
        return [not_checked(Code.FILE_REFUSED, why), *_style_sheet(site.client)]
    return _by_link(site)


def _by_link(site: Site) -> list[Result]:
    name = site.file or ""
    subject = _Subject(site.link(name, presentation="attachment"), name)
    answers = [site.client.ask(subject.path) for _ in range(3)]
    status = answers[0].status
    if status != HTTPStatus.OK:
        refused = found(
            Code.FILE_REFUSED,
            f"A link to {subject.name} is answered with {answers[0]}.",
            "gateway inspect LINK says whether the link is valid; stderr of the "
            "gateway says whether nginx can't read the file.",
        )
        return [refused, *_style_sheet(site.client)]
    packed = site.client.ask(subject.path, headers=COMPRESSIONS)
    return [
        passed(Code.FILE_REFUSED, f"A link to {subject.name} delivers it."),
        *_compared(site.client, subject, answers[0]),
        compression(packed, subject.name),
        caching(answers, subject.name),
    ]


def _style_sheet(client: Client) -> list[Result]:
    url = style_sheet(client.ask(PAGE))
    if url is None:
        reason = f"{PAGE} names no style sheet"
        return [not_checked(code, reason) for code in CODES[1:]]
    query = url.partition("?")[2]
    subject = _Subject(f"{STYLE_SHEET}?{query}", STYLE_SHEET)
    return _compared(client, subject, client.ask(subject.path))


def _compared(client: Client, subject: _Subject, answer: Answer) -> list[Result]:
    if answer.status != HTTPStatus.OK:
        reason = f"{subject.name} is answered with {answer}"
        return [not_checked(code, reason) for code in CODES[1:]]
    return [
        _ranges(client, subject),
        _etag(client, subject, answer),
        _accept_ranges(subject, answer),
    ]


def _ranges(client: Client, subject: _Subject) -> Result:
    answer = client.ask(subject.path, headers=_RANGE)
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        other = client.ask(subject.path, headers=_RANGE_OF_ANOTHER)
        if other.status == HTTPStatus.PARTIAL_CONTENT:
            return found(
                Code.RANGE_STRIPPED,
                f"A client that has another version of {subject.name} gets a part of "
                "this one: If-Range does not reach the gateway, and a download that is "
                "resumed may mix two versions of a file.",
                f"{_IN_LOCATION} proxy_set_header If-Range $http_if_range;",
            )
        return passed(Code.RANGE_STRIPPED, f"One byte of {subject.name} can be had.")
    return found(
        Code.RANGE_STRIPPED,
        f"A request for one byte of {subject.name} is answered with {answer}: "
        "downloads can't be resumed, and players can't seek in videos.",
        f"{_IN_LOCATION} proxy_set_header Range $http_range; and proxy_set_header "
        "If-Range $http_if_range;",
    )


def _etag(client: Client, subject: _Subject, answer: Answer) -> Result:
    etag = answer.headers.get("ETag", "")
    if not etag.startswith('"'):
        arrives = "with a weakened ETag" if etag else "without an ETag"
        return found(
            Code.ETAG_STRIPPED,
            f"{subject.name} arrives {arrives}: a download that is resumed may mix two "
            "versions of a file.",
            "Remove from the proxy: proxy_hide_header ETag; and filters that change "
            "the content, such as sub_filter and ssi.",
        )
    again = client.ask(subject.path, headers={"If-None-Match": etag})
    if again.status == HTTPStatus.NOT_MODIFIED:
        return passed(Code.ETAG_STRIPPED, f"The ETag of {subject.name} works.")
    return found(
        Code.ETAG_STRIPPED,
        f"{subject.name} is sent again ({again}) to a client that has it: "
        "If-None-Match does not reach the gateway.",
        f"{_IN_LOCATION} proxy_set_header If-None-Match $http_if_none_match;",
    )


def _accept_ranges(subject: _Subject, answer: Answer) -> Result:
    if answer.header("Accept-Ranges") == "bytes":
        return passed(Code.ACCEPT_RANGES_STRIPPED, f"{subject.name} has Accept-Ranges.")
    return found(
        Code.ACCEPT_RANGES_STRIPPED,
        f"{subject.name} arrives without Accept-Ranges: clients do not resume it.",
        "Remove from the proxy: proxy_hide_header Accept-Ranges;",
    )
