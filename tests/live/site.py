"""A site's own application, which the gateway asks about each request for ``/p/``."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

#: The cookie of a visitor who may read everything.
MEMBER: Final = {"Cookie": "theme=dark; session=member"}
LOGIN: Final = "https://www.example.com/login?next=/p/a.txt"


@dataclass(frozen=True)
class Question:
    """A request that the site got."""

    method: str
    target: str
    headers: Message


@dataclass(frozen=True)
class Answer:
    """What the site answers; ``body`` is not sent with 204."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


#: For visitors who are not logged in.
REDIRECT: Final = Answer(302, b"Please log in", {"Location": LOGIN})


class Site:
    """Permits members, and redirects all others to its login page.

    ``answers`` has other answers, by the path that the visitor requested; None closes
    the connection.  ``questions`` are the requests so far.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | None] = {}
        self.questions: list[Question] = []

    def answer(self, headers: Message) -> Answer | None:
        path = headers["X-Original-URI"].partition("?")[0]
        if path in self.answers:
            return self.answers[path]
        is_member = "session=member" in headers.get("Cookie", "")
        return Answer(204) if is_member else REDIRECT

    def asked(self, path: str) -> list[Question]:
        """Return the questions about a path."""
        return [q for q in self.questions if q.headers["X-Original-URI"] == path]


@contextmanager
def a_site(port: int, certificate: Path | None = None) -> Iterator[Site]:
    """Yield a site that serves at *port*, with TLS if it has a *certificate*."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.questions.append(Question(self.command, self.path, self.headers))
            answer = site.answer(self.headers)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, text in answer.headers.items():
                self.send_header(name, text)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command == "GET" and answer.status != 204:
                self.wfile.write(answer.body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Ignore clients that close the connection before the answer's end."""

    with Server(("127.0.0.1", port), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
