"""Explanations of errors of links, shares and leases."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from gateway import errors
from gateway.http.explanations.general import Explanation

_EXPIRED: Final = Explanation(
    "expired",
    HTTPStatus.GONE,
    "This link has expired",
    "Ask the sender for a new link.",
)
_REVOKED: Final = Explanation(
    "revoked",
    HTTPStatus.GONE,
    "This link has been revoked",
    "Its owner has revoked it. Ask the sender for a new link.",
)

EXPLANATIONS: Final[dict[type[errors.RefusedError], Explanation]] = {
    errors.ExpiredLinkError: _EXPIRED,
    errors.EarlyLinkError: Explanation(
        "not-yet-open",
        HTTPStatus.FORBIDDEN,
        "This link is not valid yet",
        "Try again later.",
    ),
    errors.ForeignClientError: Explanation(
        "wrong-network",
        HTTPStatus.FORBIDDEN,
        "This link is not available from your network",
        "It can only be opened from certain networks. Connect to the right network, "
        "for example by VPN, and try again.",
    ),
    errors.RevokedLinkError: _REVOKED,
    errors.DisabledOwnerError: _REVOKED,
    errors.SealedLinkError: Explanation(
        "sealed-link",
        HTTPStatus.NOT_FOUND,
        "The original link can't be found",
        "This is a link of the mail filter Mimecast, which does not contain the "
        "original link. Open it in the mail itself, or ask the sender for the link.",
    ),
    errors.PostRequiredError: Explanation(
        "post-required",
        HTTPStatus.FORBIDDEN,
        "Please confirm the download",
        "Downloads of this link are counted. Open it in a browser, or send a POST "
        "request: curl -LOJ -d '' LINK",
    ),
    errors.PasswordRequiredError: Explanation(
        "password-required",
        HTTPStatus.FORBIDDEN,
        "Password required",
        "Open the link in a browser, or send the password: "
        "curl -LOJ -d password=... LINK",
    ),
    errors.WrongSharePasswordError: Explanation(
        "wrong-password",
        HTTPStatus.FORBIDDEN,
        "Wrong password",
        "Check the password of this link and try again.",
    ),
    errors.CodeRequiredError: Explanation(
        "code-required",
        HTTPStatus.FORBIDDEN,
        "Code required",
        "Open the link in a browser, or have a code mailed to the recipient: "
        "curl -d otp= LINK",
    ),
    errors.WrongCodeError: Explanation(
        "wrong-code",
        HTTPStatus.FORBIDDEN,
        "Wrong code",
        "Only the code in the latest mail is valid, once and for ten minutes. "
        "Request a new code.",
    ),
    errors.TooManyCodesError: Explanation(
        "too-many-codes",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many codes requested",
        "Wait a while, or use the code in the latest mail.",
    ),
    errors.CodeUnavailableError: Explanation(
        "code-unavailable",
        HTTPStatus.FORBIDDEN,
        "The code can't be sent",
        "This link requires a code, but the sender's account can't send mail any more. "
        "Please contact the sender.",
    ),
    errors.ShareBusyError: Explanation(
        "share-busy",
        HTTPStatus.CONFLICT,
        "Another download is in progress",
        "All downloads of this link are used up or in progress. If a running download "
        "fails, you can start yours: try again later.",
        {"Retry-After": str(errors.ShareBusyError.retry_after)},
    ),
    errors.ShareSpentError: Explanation(
        "share-spent",
        HTTPStatus.GONE,
        "Download limit reached",
        "This link has been used as often as allowed. If your own download was "
        "interrupted, resume it in the same browser or program. Otherwise ask the "
        "sender to allow another download.",
    ),
    errors.EndedLeaseError: Explanation(
        "lease-ended",
        HTTPStatus.GONE,
        "This download has expired",
        "It was not started in time, and somebody else has pressed Download since. "
        "Open the share link again.",
    ),
    errors.NothingTakenError: Explanation(
        "nothing-taken",
        HTTPStatus.CONFLICT,
        "No download has been used",
        "Nothing has been downloaded through this link yet.",
    ),
    errors.GoneItemError: Explanation(
        "file-gone",
        HTTPStatus.GONE,
        "This file no longer exists",
        "It was deleted. Ask the sender to share it again.",
    ),
    errors.IdempotencyKeyError: Explanation(
        "idempotency-key-reused",
        HTTPStatus.CONFLICT,
        "Idempotency key already used",
        "The Idempotency-Key was used before for a different request. Nothing was "
        "created.",
    ),
}
