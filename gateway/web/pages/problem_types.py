"""``/problems/<name>``: the documentation of a problem ``type`` (RFC 9457)."""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.errors import NotServableError
from gateway.http.explanations import BY_NAME, PROBLEMS
from gateway.web.pages import page


def blueprint() -> Blueprint:
    """Return the routes."""
    routes = Blueprint("problems", __name__)
    routes.add_url_rule(f"{PROBLEMS}<name>", view_func=_show)
    return routes


def _show(name: str) -> Response:
    if name not in BY_NAME:
        raise NotServableError("no-problem")
    return page("problem_type.html", problem=BY_NAME[name])
