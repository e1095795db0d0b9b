"""An HTTP client for a server that may do anything.

Each request has its own connection and a time limit in total.  Nothing is decompressed,
no redirect is followed, and at most some KiB of an answer are read.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    IncompleteRead,
    RemoteDisconnected,
)
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from gateway.bounded_reader import http_response
from gateway.doctor.results import shown
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPMessage

    from gateway.doctor.target import Target

#: Seconds for one request, from connecting to the end of the answer.
SECONDS: Final = 8.0
_MAXIMUM_BODY: Final = 1 << 15
#: With its head, which http.client limits to 100 headers.
_MAXIMUM_ANSWER: Final = 1 << 17
#: Requests to this machine come from this address.  (!) Proxies and the gateway's rules
#: for loopback name 127.0.0.1: a client with that address could not tell whether the
#: gateway sees the client or a proxy.
OWN_ADDRESS: Final = "127.0.0.77"


class NoAnswerError(GatewayError):
    """The server gave no usable answer, for the reason in the text."""


class SilentError(NoAnswerError):
    """The server did not answer in time."""


class ClosedError(NoAnswerError):
    """The server closed the connection without an answer."""


class UntrustedError(NoAnswerError):
    """The server's certificate is not valid for its name."""


class TooManyRequestsError(NoAnswerError):
    """The server limits the rate of requests (429)."""


@dataclass(frozen=True)
class Answer:
    """An answer; ``body`` may be cut, ``own_address`` is the client's address."""

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float
    own_address: str

    def header(self, name: str) -> str | None:
        """Return a header as one displayable line, or None."""
        text = self.headers.get(name)
        return None if text is None else shown(text)

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON object; empty if it has none."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def is_refusal(self) -> bool:
        """Whether this is problem JSON as gateways send it."""
        kind = self.json.get("type")
        return (
            isinstance(kind, str) and "/problems/" in kind and "request_id" in self.json
        )

    @property
    def is_missing(self) -> bool:
        """Whether a gateway says that there is no such URL."""
        return self.status == HTTPStatus.NOT_FOUND and self.is_refusal

    def __str__(self) -> str:
        kind = self.header("Content-Type") or "without a type"
        return f"{self.status} ({kind.partition(';')[0]})"


@dataclass(frozen=True)
class Client:
    """Sends requests to ``target``.

    ``connect`` is where to connect instead of the target's own host and port;
    ``context`` is for TLS.
    """

    target: Target
    connect: tuple[str, int] | None = None
    context: ssl.SSLContext | None = None
    seconds: float = SECONDS

    def without_verification(self) -> Client:
        """Return a client that accepts any certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return replace(self, context=context)

    @property
    def is_verifying(self) -> bool:
        """Whether an answer is from the host that the URL names, or without TLS."""
        return self.context is None or self.context.verify_mode is ssl.CERT_REQUIRED

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes = b"",
    ) -> Answer:
        """Send a request for *path* below the target's prefix; return the answer.

        If *headers* have a Content-Length, *body* may be only the beginning of a body.
        Raise NoAnswerError.
        """
        deadline = time.monotonic() + self.seconds
        given = {"Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})}
        with _translated_errors(self.seconds), closing(self.open()) as sock:
            began = time.monotonic()
            own, *_ = sock.getsockname()
            left = max(deadline - began, 0.001)
            sock.settimeout(left)
            with suppress(BrokenPipeError, ConnectionResetError):
                # It may refuse, and close, before it has read everything.
                self._write(sock, method, f"{self.target.prefix}{path}", given, body)
            response = http_response(sock, left, size=_MAXIMUM_ANSWER, method=method)
            with closing(response):
                response.begin()
                seconds = time.monotonic() - began
                content = _content(response)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise TooManyRequestsError("it limits the rate of requests (429)")
        return Answer(response.status, response.headers, content, seconds, str(own))

    def open(self) -> socket.socket:
        """Return a connection, with TLS if the URL has it; raise OSError."""
        host, port = self.connect or (self.target.host, self.target.port)
        sock = _connected(host, port, self.seconds)
        if not self.target.is_tls:
            return sock
        context = self.context or ssl.create_default_context()
        try:
            return context.wrap_socket(sock, server_hostname=self.target.host)
        except BaseException:
            sock.close()
            raise

    def _write(
        self,
        sock: socket.socket,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        connection = HTTPConnection(self.target.host)
        connection.sock = sock
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self.target.authority)
        connection.putheader("Connection", "close")
        connection.putheader("User-Agent", "gateway-doctor")
        for name, text in headers.items():
            connection.putheader(name, text)
        connection.endheaders()
        if body:
            connection.send(body)


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to one of the host's addresses, within *seconds* in total."""
    deadline = time.monotonic() + seconds
    fault: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            if family is socket.AF_INET and ip_address(address[0]).is_loopback:
                with suppress(OSError):
                    sock.bind((OWN_ADDRESS, 0))
            sock.connect(address)
        except OSError as error:
            sock.close()
            fault = error
        else:
            return sock
    raise fault


def _content(response: HTTPResponse) -> bytes:
    try:
        return response.read(_MAXIMUM_BODY)
    except IncompleteRead as error:
        return error.partial


@contextmanager
def _translated_errors(seconds: float) -> Iterator[None]:
    """Raise NoAnswerError instead of the errors of sockets, TLS and http.client."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        # ValueError: a size of a chunk below zero, or a host name that is too long.
        raise _no_answer(error, seconds) from None


def _no_answer(error: Exception, seconds: float) -> NoAnswerError:
    if isinstance(error, TimeoutError):
        return SilentError(f"no answer within {seconds:g} seconds")
    if isinstance(error, RemoteDisconnected):
        return ClosedError("it closed the connection without an answer")
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(f"invalid certificate: {shown(error.verify_message)}")
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, ssl.SSLError):
        reason = f"TLS error: {(error.reason or 'none').replace('_', ' ').lower()}"
    elif isinstance(error, UnicodeError):
        pass
    elif isinstance(error, HTTPException) or not isinstance(error, OSError):
        reason = "its answer is not HTTP"
    return NoAnswerError(reason)
