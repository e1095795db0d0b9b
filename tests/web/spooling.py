"""Spools bodies as nginx does, for requests of Flask's test client."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

from gateway.http import families
from gateway.http.families import Body
from gateway.web.problems import BODY_HEADER, HEADERS_HEADER, STATUS_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Spooling:
    """Asks for admission, spools the body, and passes the file's name on."""

    def __init__(
        self, app: WSGIApplication, store: Path, *, path_prefix: str = ""
    ) -> None:
        self.inner = app
        self.prefix = path_prefix
        self.spool = store / "spool"
        self.requests = 0

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        self.requests += 1
        environ["HTTP_X_REQUEST_ID"] = f"request-{self.requests}"
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        family = families.asked(method, path.removeprefix(self.prefix))
        if family.body is not Body.SPOOLED:
            return self.inner(environ, start_response)
        body = get_input_stream(environ).read()
        environ["CONTENT_LENGTH"] = "0"
        environ["HTTP_X_ORIGINAL_LENGTH"] = str(len(body))
        admission = {
            **environ,
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/_admit",
            "HTTP_X_ORIGINAL_METHOD": method,
            "HTTP_X_ORIGINAL_URI": quote(path, encoding="latin-1"),
        }
        _, status, refused = run_wsgi_app(self.inner, admission)
        if not status.startswith("204"):
            content_type = refused[HEADERS_HEADER].partition("|")[0]
            start_response(
                f"{refused[STATUS_HEADER]} Refused", [("Content-Type", content_type)]
            )
            return [refused[BODY_HEADER].encode()]
        spooled = self.spool / f"{self.requests:010}"
        spooled.write_bytes(body)
        if body:
            environ["HTTP_X_SPOOL_FILE"] = str(spooled)
        try:
            return self.inner(environ, start_response)
        finally:
            spooled.unlink()
