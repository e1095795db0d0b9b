"""The Explanation type, and the explanations of refusals that nginx answers itself.

nginx refuses these requests without Flask; Flask uses the same explanations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True)
class Explanation:
    """The answer to an error: status, title, text and headers.

    ``name`` is the public class of the error, the last part of a problem's ``type``;
    ``phrase`` is the reason phrase of the status line, for a status that is not in
    HTTP.
    """

    name: str
    status: HTTPStatus | int
    title: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    phrase: str = ""


BAD_REQUEST: Final = Explanation(
    "invalid-request",
    HTTPStatus.BAD_REQUEST,
    "Invalid request",
    "The link may have been damaged on its way. Copy the whole link again.",
)
NOT_FOUND: Final = Explanation(
    "not-found",
    HTTPStatus.NOT_FOUND,
    "Page not found",
    "The link may have been cut off or changed on its way. Copy the whole link again, "
    "or ask the sender for a new one.",
)
METHOD: Final = Explanation(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "Method not allowed",
    "This address does not support this kind of request.",
)
TOO_SLOW: Final = Explanation(
    "timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    "Request timed out",
    "The connection was too slow or was interrupted. Try again.",
)
PRECONDITION: Final = Explanation(
    "precondition-failed",
    HTTPStatus.PRECONDITION_FAILED,
    "The file has changed",
    "It is no longer the version that the request asked for. Download it again.",
)
TOO_LARGE: Final = Explanation(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "Request too large",
    "Nothing was stored.",
)
TOO_MANY: Final = Explanation(
    "too-many-requests",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many requests",
    "Wait a moment, then try again.",
    {"Retry-After": "5"},
)
FAILED: Final = Explanation(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong",
    "This is not your fault, and the error has been logged. Try again later.",
)
BUSY: Final = Explanation(
    "busy",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Service temporarily unavailable",
    "The service is starting or busy. Try again in a few seconds.",
    {"Retry-After": "5"},
)
NO_SPACE: Final = Explanation(
    "no-space",
    HTTPStatus.INSUFFICIENT_STORAGE,
    "Not enough storage space",
    "The server's disk is full. Its operator must free some space.",
)

#: The refusals that nginx answers itself, for requests that do not reach Flask.
BY_NGINX: Final = (
    NOT_FOUND,
    TOO_MANY,
    BUSY,
    METHOD,
    PRECONDITION,
    TOO_LARGE,
    NO_SPACE,
    TOO_SLOW,
    FAILED,
)
#: Explanations by status.  nginx answers every other status with BAD_REQUEST.
BY_STATUS: Final = {
    explanation.status: explanation for explanation in (BAD_REQUEST, *BY_NGINX)
}
