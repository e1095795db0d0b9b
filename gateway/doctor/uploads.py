"""Whether uploads reach the gateway as they are sent.

A gateway refuses an upload without a token before it reads the body.  So the answer to
the first byte of a body tells what is between: a proxy that buffers waits for the rest,
and a proxy that limits bodies refuses with a page of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.doctor.client import SilentError
from gateway.doctor.results import Code, State, found, not_checked, passed
from gateway.doctor.site import REPLACED

if TYPE_CHECKING:
    from gateway.doctor.client import Answer, Client
    from gateway.doctor.results import Result
    from gateway.doctor.site import Site

_UPLOAD: Final = "/api/v1/files/gateway-doctor"
_TUS: Final = "/tus/"
#: Seconds in which a gateway refuses an upload: a bound that a busy machine keeps.
_SECONDS: Final = 3.0
#: Seconds in which a proxy that buffers refuses one, which it does without waiting.
_BUFFERED_SECONDS: Final = 1.0
#: Both are longer if the network is slow.
_ROUND_TRIPS: Final = 10
#: Bytes of a body that every proxy lets pass.
_SMALL: Final = 4096
#: Bytes to declare if the gateway has no limit.
_LARGE: Final = 1 << 40
#: A size that a server may state: within 64 bits.
_STATED: Final = re.compile(r"[0-9]{1,18}")
#: Smaller limits are not told apart.
_LEAST: Final = 1 << 16
CODES: Final = (Code.UPLOADS_BUFFERED, Code.UPLOADS_LIMITED)
_METHODS: Final = (
    ("PUT", _UPLOAD),
    ("OPTIONS", _TUS),
    ("POST", _TUS),
    ("HEAD", f"{_TUS}gateway-doctor"),
    ("PATCH", f"{_TUS}gateway-doctor"),
    ("DELETE", f"{_TUS}gateway-doctor"),
)
_BLOCKED: Final = frozenset({400, 403, 404, 405, 501})
_TUS_HEADERS: Final = {"Tus-Resumable": "1.0.0", "Content-Length": "0"}


def check(site: Site) -> list[Result]:
    """Check that no proxy holds uploads back, or refuses what the gateway accepts."""
    offer = site.client.ask(_TUS, "OPTIONS", _TUS_HEADERS)
    slow = _ROUND_TRIPS * offer.seconds
    client = replace(site.client, seconds=max(_SECONDS, slow))
    buffering = _buffering(client)
    if buffering.state is State.FOUND:
        client = replace(client, seconds=max(_BUFFERED_SECONDS, slow))
    return [buffering, _limits(client, offer)]


def _buffering(client: Client) -> Result:
    try:
        answer = _begin(client, _SMALL)
    except SilentError:
        return found(
            Code.UPLOADS_BUFFERED,
            f"An upload without a token was not refused within {client.seconds:g} "
            "seconds after its first byte: a proxy waits for the whole body. It loses "
            "what arrived before a cut, and needs disk space for it.",
            "In the proxy's location: proxy_request_buffering off; and "
            "proxy_http_version 1.1;",
        )
    if answer.status != HTTPStatus.UNAUTHORIZED:
        reason = f"an upload without a token is answered with {answer}"
        return not_checked(Code.UPLOADS_BUFFERED, reason)
    fact = f"An upload was answered with {answer.status} after its first byte."
    return passed(Code.UPLOADS_BUFFERED, fact)


def _limits(client: Client, offer: Answer) -> Result:
    if "Tus-Resumable" not in offer.headers:
        reason = f"OPTIONS {_TUS} is answered with {offer}"
        return not_checked(Code.UPLOADS_LIMITED, reason)
    stated = offer.headers.get("Tus-Max-Size", "")
    largest = int(stated) if _STATED.fullmatch(stated) else _LARGE
    if not _is_refused_by_proxy(client, largest):
        fact = f"No proxy refuses an upload of {_size(largest)}."
        return passed(Code.UPLOADS_LIMITED, fact)
    accepted, refused = _limit(client, largest)
    return found(
        Code.UPLOADS_LIMITED,
        f"A proxy refuses an upload of {_size(refused)} (413)"
        + (f" and accepts {_size(accepted)}" if accepted else "")
        + f"; the gateway accepts {_size(largest)}.",
        "In the proxy's server or location: client_max_body_size 0;",
    )


def check_methods(site: Site) -> list[Result]:
    """Check that the methods of uploads reach the gateway."""
    if site.are_refusals_replaced:
        return [not_checked(Code.METHODS_BLOCKED, REPLACED)]
    blocked = []
    for method, path in _METHODS:
        answer = site.client.ask(path, method, _TUS_HEADERS)
        is_known = "Tus-Resumable" in answer.headers or answer.is_refusal
        if answer.status in _BLOCKED and not is_known:
            blocked.append(f"{method} ({answer.status})")
    if not blocked:
        return [passed(Code.METHODS_BLOCKED, "All methods reach the gateway.")]
    return [
        found(
            Code.METHODS_BLOCKED,
            f"A proxy answers {', '.join(blocked)} instead of the gateway.",
            "Let the proxy pass GET, HEAD, OPTIONS, POST, PUT, PATCH and DELETE: "
            "remove limit_except, or the rule of its firewall.",
        )
    ]


def _begin(client: Client, length: int) -> Answer:
    """Begin an upload of *length* bytes without a token; send its first byte."""
    return client.ask(_UPLOAD, "PUT", {"Content-Length": str(length)}, body=b"-")


def _is_refused_by_proxy(client: Client, length: int) -> bool:
    try:
        answer = _begin(client, length)
    except SilentError:  # it buffers, and so does not refuse
        return False
    return (
        answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not answer.is_refusal
    )


def _limit(client: Client, refused: int) -> tuple[int, int]:
    """Return the largest power of two that is accepted, or 0, and the next one."""
    powers = [1 << n for n in range(_LEAST.bit_length() - 1, refused.bit_length())]
    first = bisect_left(
        powers, 1, key=lambda length: int(_is_refused_by_proxy(client, length))
    )
    accepted = powers[first - 1] if first else 0
    return accepted, powers[first] if first < len(powers) else refused


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1 << 10:
            return f"{count} {unit}"
        count >>= 10
    return f"{count} TiB"
