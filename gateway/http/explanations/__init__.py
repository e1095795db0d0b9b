"""The table of errors and statuses with their answers; Flask and nginx share it.

Each module of this package has the explanations of one subject; this module combines
them.  Forged, malformed, unknown and missing links look alike: an error that is not in
the table gets 404.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from gateway import errors
from gateway.http.explanations import accounts, links, uploads
from gateway.http.explanations.general import (
    BAD_REQUEST,
    BUSY,
    BY_NGINX,
    BY_STATUS,
    NOT_FOUND,
    Explanation,
)

__all__ = [
    "BAD_REQUEST",
    "BUSY",
    "BY_ERROR",
    "BY_NAME",
    "BY_NGINX",
    "BY_STATUS",
    "CARRIED",
    "NOT_FOUND",
    "PROBLEMS",
    "WITH_BOX",
    "Explanation",
    "explain",
    "statuses",
]

BY_ERROR: Final[dict[type[errors.RefusedError], Explanation]] = {
    **links.EXPLANATIONS,
    **accounts.EXPLANATIONS,
    **uploads.EXPLANATIONS,
}
#: The headers of a refused subrequest's answer that nginx copies to the client, in the
#: order in which they are joined in one header.  None of their values contains a ``|``.
CARRIED: Final = (
    "Content-Type",
    "Content-Security-Policy",
    "Retry-After",
    "Tus-Version",
    "WWW-Authenticate",
)
#: The statuses whose page has a box to paste the original link.
WITH_BOX: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
#: All explanations by name.  ``too-many-uploads`` has a second status for tus; here it
#: has the status for other clients.
BY_NAME: Final = {
    explanation.name: explanation
    for explanation in (*BY_STATUS.values(), *reversed(BY_ERROR.values()))
}
#: The path of the pages about problem types; a problem's name is appended.
PROBLEMS: Final = "/problems/"


def statuses() -> list[int]:
    """Return every status of a refusal, and the status of redirects to clean links."""
    explanations = (*BY_ERROR.values(), *BY_STATUS.values())
    refused = {int(explanation.status) for explanation in explanations}
    return sorted({*refused, int(HTTPStatus.PERMANENT_REDIRECT)})


def explain(error: errors.RefusedError) -> Explanation:
    """Return the explanation of *error*, with the error's facts in text and headers."""
    explanation = BY_ERROR.get(type(error), NOT_FOUND)
    headers = explanation.headers
    if isinstance(error, errors.TooManyAttemptsError | errors.TooManyCodesError):
        headers = {"Retry-After": str(error.retry_after)}
    return replace(explanation, text=_text(error) or explanation.text, headers=headers)


def _text(error: errors.RefusedError) -> str:
    """Return a text with the facts of *error*, or an empty text if it has none."""
    match error:
        case errors.EarlyLinkError():
            begins = datetime.fromtimestamp(error.valid_from, UTC)
            return (
                f"It becomes valid on {begins:%Y-%m-%d at %H:%M} UTC. Try again then."
            )
        case errors.TooManyAttemptsError():
            return f"Wait {_span(error.retry_after)}, then try again."
        case errors.TooManyCodesError():
            return (
                "At most one code per minute and five codes per day are mailed, and no "
                f"code while another is being sent. Wait {_span(error.retry_after)}, "
                "or use the code in the latest mail."
            )
        case errors.CodeRequiredError() if error.mailed_to:
            return (
                f"A code was mailed to {error.mailed_to}. Send it within ten minutes: "
                "curl -LOJ -d otp=... LINK"
            )
        case errors.WrongCodeError() if error.left:
            plural = "" if error.left == 1 else "s"
            return (
                "This is not the code in the latest mail. "
                f"You have {error.left} attempt{plural} left."
            )
        case _:
            return ""


def _span(seconds: int) -> str:
    if seconds > 5400:  # noqa: PLR2004
        return f"{-(-seconds // 3600)} hours"
    if seconds > 90:  # noqa: PLR2004
        return f"{-(-seconds // 60)} minutes"
    return "a second" if seconds == 1 else f"{seconds} seconds"
