"""``/s/<token>/<path>``: signed URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request

from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Refusal
from gateway.links.signed_url import PREFIX
from gateway.web.verdicts import CLIENT_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.delivery.verdict import SignedURLJudge


class _ForNginx(Response):
    """An answer whose type is nginx's to tell."""

    default_mimetype = None


def view(
    judge: SignedURLJudge, clock: Callable[[], float]
) -> Callable[[str, str], Response]:
    """Return the view that asks *judge* and hands its answer to nginx."""

    def signed_url(token: str, path: str) -> Response:  # noqa: ARG001
        verdict = judge.judge(
            token,
            _raw_path(),
            now=clock(),
            client=request.environ.get(CLIENT_ADDRESS, ""),
        )
        if isinstance(verdict, Refusal):
            raise verdict.error
        return _ForNginx(headers=accel_headers(verdict))

    return signed_url


def _raw_path() -> bytes:
    """Return the decoded path's bytes, which Werkzeug would patch to UTF-8."""
    path_info: str = request.environ["PATH_INFO"]
    return path_info.encode("latin-1").removeprefix(PREFIX.encode()).split(b"/", 1)[1]
