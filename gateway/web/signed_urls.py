"""``/s/<token>/<path>``: signed URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Response, request

from gateway.delivery.accel import accel_headers, verdict_headers
from gateway.delivery.verdict import Refusal
from gateway.links.signed_url import PREFIX
from gateway.web.refusals import is_question

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.delivery.verdict import SignedURLJudge

#: nginx sets it, never a client: the address of the peer.
CLIENT_ADDRESS: Final = "X-Real-IP"


def view(
    judge: SignedURLJudge, clock: Callable[[], float]
) -> Callable[[str, str], Response]:
    """Return the view that asks *judge* and hands its answer to nginx."""

    def signed_url(token: str, path: str) -> Response:  # noqa: ARG001
        verdict = judge.judge(
            token,
            _raw_path(),
            now=clock(),
            client=request.headers.get(CLIENT_ADDRESS, ""),
        )
        if isinstance(verdict, Refusal):
            raise verdict.error
        headers = verdict_headers if is_question() else accel_headers
        response = Response(headers=headers(verdict))
        del response.headers["Content-Type"]
        return response

    return signed_url


def _raw_path() -> bytes:
    """Return the decoded path's bytes, which Werkzeug would patch to UTF-8."""
    path_info: str = request.environ["PATH_INFO"]
    return path_info.encode("latin-1").removeprefix(PREFIX.encode()).split(b"/", 1)[1]
