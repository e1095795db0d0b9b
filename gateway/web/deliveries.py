"""Signed URLs, leased downloads, and paths that the site's application decides about.

``/s/<token>/<path>``, ``/l/<lease>/<path>`` and ``/p/<path>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from gateway.delivery.accel import BEGIN, accel_headers
from gateway.delivery.verdict import Begin, Refusal
from gateway.metrics import verdicts
from gateway.web import observation
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.verdicts import VERDICT_ERROR, judge_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.web.nginx.verdicts import Judges


def blueprint(judges: Judges, clock: Callable[[], float]) -> Blueprint:
    """Return the routes of deliveries that *judges* decide about."""
    routes = Blueprint("deliveries", __name__)

    def deliver(target: str) -> Response:  # noqa: ARG001
        if VERDICT_ERROR in request.environ:
            raise request.environ[VERDICT_ERROR]
        verdict = judge_request(judges, request.environ, now=clock())
        if isinstance(verdict, Refusal):
            raise verdict.error
        if isinstance(verdict, Begin):
            observation.note(verdicts.BEGIN)
            return EmptyResponse(headers=BEGIN)
        return EmptyResponse(headers=accel_headers(verdict))

    for prefix in judges:
        routes.add_url_rule(f"{prefix}<path:target>", view_func=deliver)
    return routes
