"""Pages for people: nothing foreign runs in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Response, render_template
from werkzeug.urls import iri_to_uri

from gateway import policies
from gateway.web.statics import Statics

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask) -> None:
    """Let *app*'s templates name style and scripts."""
    app.jinja_env.globals["static"] = Statics.read().url
    app.jinja_env.filters |= {"iso": _iso, "utc": _utc}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def page(template: str, *, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401
    """Return a page."""
    response = Response(
        render_template(template, **facts),
        status=status,
        content_type="text/html; charset=utf-8",
    )
    response.headers["Content-Security-Policy"] = policies.PAGE
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def see_other(path: str) -> Response:
    """Lead a browser on, by GET, to a path of this site."""
    return Response(status=303, headers={"Location": iri_to_uri(path)})
