"""``/s/<token>/<path>``: signed URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Refusal
from gateway.links.signed_url import PREFIX
from gateway.web.untyped import Untyped
from gateway.web.verdicts import OUTCOME, judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.delivery.verdict import SignedURLJudge


def blueprint(judge: SignedURLJudge, clock: Callable[[], float]) -> Blueprint:
    """Return the route that asks *judge* and hands its answer to nginx."""
    routes = Blueprint("signed_urls", __name__)

    @routes.get(f"{PREFIX}<token>/<path:path>")
    def signed_url(token: str, path: str) -> Response:  # noqa: ARG001
        if OUTCOME in request.environ:
            raise request.environ[OUTCOME]
        verdict = judged(judge, request.environ, now=clock())
        if isinstance(verdict, Refusal):
            raise verdict.error
        return Untyped(headers=accel_headers(verdict))

    return routes
