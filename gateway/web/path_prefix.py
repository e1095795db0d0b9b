"""Removes the path prefix from requests, and adds it to paths in responses.

The prefix is the path of the public URL (``gateway/http/path_prefix.py``).  Routes,
families and judges work with paths without it; ``url_for`` adds it by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class PathPrefix:
    """A WSGI application that passes each request to *app*, without *prefix*.

    *app* gets the prefix as ``SCRIPT_NAME`` (PEP 3333), in nginx's own requests and in
    health checks, too, although their paths do not have it.
    nginx has refused all other paths without the prefix, and targets in which it is
    encoded (``nginx/conf.d/requests.conf``).
    """

    def __init__(self, app: WSGIApplication, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        environ["SCRIPT_NAME"] = self._prefix
        path = environ["PATH_INFO"]
        if path.startswith(f"{self._prefix}/"):
            environ["PATH_INFO"] = path.removeprefix(self._prefix)
        return self._app(environ, start_response)


def prefixed(path: str) -> str:
    """Return *path*, which begins with ``/``, as clients see it: below the prefix."""
    return f"{request.script_root}{path}"
