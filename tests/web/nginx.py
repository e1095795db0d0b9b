"""Adds the headers that nginx would add to requests of Flask's test client.

Of a site with a path prefix, nginx passes no other paths on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from werkzeug.test import run_wsgi_app

from gateway.delivery.accel import BEGIN
from gateway.http import families

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

_HEADER = "HTTP_" + families.HEADER.upper().replace("-", "_")


def behind_nginx(app: Flask, path_prefix: str = "") -> Flask:
    """Have each request of *app*'s clients name the family that nginx would name."""
    app.wsgi_app = _Naming(app.wsgi_app, path_prefix)  # type: ignore[method-assign]
    return app


class _Naming:
    def __init__(self, app: WSGIApplication, prefix: str) -> None:
        self.inner = app
        self.prefix = prefix

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if not path.startswith((f"{self.prefix}/", "/_")):
            start_response("404 Outside", [])
            return []
        if path in {"/_admit", "/_cut"}:
            method = environ.get("HTTP_X_ORIGINAL_METHOD", "")
            uri = environ.get("HTTP_X_ORIGINAL_URI", "").partition("?")[0]
            path = unquote(uri, "latin-1")
        family = families.asked(method, path.removeprefix(self.prefix))
        environ.setdefault(_HEADER, family.name)
        asked = environ.copy()
        if family is not families.LEASED or "HTTP_X_VERDICT" in environ:
            return self.inner(environ, start_response)
        body, status, headers = run_wsgi_app(self.inner, asked)
        if headers.get("X-Accel-Redirect") != BEGIN["X-Accel-Redirect"]:
            start_response(status, list(headers))
            return body
        environ["HTTP_X_ORIGINAL_URI"] = quote(path, encoding="latin-1")
        environ["PATH_INFO"] = "/_begin"
        return self.inner(environ, start_response)
