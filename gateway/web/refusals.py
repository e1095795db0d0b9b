"""What a client is told: the one table from error to status and page.

Forged, malformed, unknown and missing look alike.  People get a page in plain
words, programs problem JSON (RFC 9457); both carry the request id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException

from gateway.delivery.accel import FILES_LOCATION
from gateway.errors import (
    EarlyLinkError,
    ExpiredLinkError,
    ForeignClientError,
    RefusedError,
)

if TYPE_CHECKING:
    from flask import Flask

#: nginx logs it and takes it off: the operator may know why, the client not.
REASON_HEADER: Final = "X-Gateway-Reason"
#: nginx makes it, for both logs and the page.
REQUEST_ID_HEADER: Final = "X-Request-ID"

# What the pages need and no more; they carry their style and no script.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Explanation:
    """A status and its plain words."""

    status: HTTPStatus
    title: str
    text: str


NOT_FOUND: Final = Explanation(
    HTTPStatus.NOT_FOUND,
    "There is nothing here",
    "The link may have been cut or changed on its way. Copy it again, in one "
    "piece, or ask whoever sent it for a new one.",
)
_EXPIRED: Final = Explanation(
    HTTPStatus.GONE,
    "This link has expired",
    "It was good, but its time is over. Ask whoever sent it for a new one.",
)
_EARLY: Final = Explanation(
    HTTPStatus.FORBIDDEN,
    "This link is not open yet",
    "It is good, but its time has not come. Try again later.",
)
_FOREIGN: Final = Explanation(
    HTTPStatus.FORBIDDEN,
    "This link does not open from here",
    "It is good, but only inside certain networks. Connect to yours, perhaps by "
    "VPN, and try again.",
)
_METHOD: Final = Explanation(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "That is not possible here",
    "This address can be read, nothing else.",
)
_BAD_REQUEST: Final = Explanation(
    HTTPStatus.BAD_REQUEST,
    "This request makes no sense",
    "Something on the way may have damaged it. Try the link again.",
)
_FAILED: Final = Explanation(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong here",
    "It is not your fault, and it has been logged. Try again later.",
)

_BY_ERROR: Final[dict[type[RefusedError], Explanation]] = {
    ExpiredLinkError: _EXPIRED,
    EarlyLinkError: _EARLY,
    ForeignClientError: _FOREIGN,
}
_BY_STATUS: Final = {
    explanation.status: explanation
    for explanation in (NOT_FOUND, _METHOD, _BAD_REQUEST, _FAILED)
}


def register(app: Flask) -> None:
    """Make *app* answer every refusal and error with its explanation."""
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(HTTPException, _http_error)


def _refused(error: RefusedError) -> Response:
    return _answer(_BY_ERROR.get(type(error), NOT_FOUND), error.reason)


def _http_error(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    explanation = _BY_STATUS.get(
        status, Explanation(status, status.phrase, status.description)
    )
    response = _answer(explanation, _reason(status))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _reason(status: HTTPStatus) -> str:
    if request.path.startswith(FILES_LOCATION):
        # nginx asks so when it could not open what the verdict named.
        return "undeliverable"
    return f"http-{status.value}"


def _answer(explanation: Explanation, reason: str) -> Response:
    request_id = request.headers.get(REQUEST_ID_HEADER, "")
    if _is_program():
        problem = {
            "type": "about:blank",
            "title": explanation.title,
            "status": explanation.status.value,
            "detail": explanation.text,
            "request_id": request_id,
        }
        response = Response(
            json.dumps(problem), content_type="application/problem+json"
        )
    else:
        page = render_template(
            "refusal.html", explanation=explanation, request_id=request_id
        )
        response = Response(page, content_type="text/html; charset=utf-8")
    response.status_code = explanation.status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    response.headers["Vary"] = "Accept"
    response.headers[REASON_HEADER] = reason
    return response


def _is_program() -> bool:
    accept = request.accept_mimetypes
    json_quality = max(accept["application/json"], accept["application/problem+json"])
    return request.path.startswith("/api/") or (json_quality > accept["text/html"])
