"""The one table from errors and statuses to their explanations, for Flask and nginx.

Forged, malformed, unknown and missing links look alike: an error that is not in the
table is a 404.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from gateway import errors


@dataclass(frozen=True)
class Explanation:
    """A status with its title, text and headers.

    ``name`` is the public class of the error, the last part of a problem's ``type``.
    ``phrase`` is the reason phrase of a status that HTTP does not define.
    """

    name: str
    status: HTTPStatus | int
    title: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    phrase: str = ""


NOT_FOUND: Final = Explanation(
    "not-found",
    HTTPStatus.NOT_FOUND,
    "Not found",
    "The link may be incomplete or damaged. Copy the whole link again, or ask the "
    "sender for a new one.",
)
_EXPIRED: Final = Explanation(
    "expired",
    HTTPStatus.GONE,
    "This link has expired",
    "Ask the sender for a new one.",
)
_REVOKED: Final = Explanation(
    "revoked",
    HTTPStatus.GONE,
    "This link was revoked",
    "Its owner has ended access to it. Ask the sender for a new one.",
)
_EARLY: Final = Explanation(
    "not-yet-open",
    HTTPStatus.FORBIDDEN,
    "This link is not open yet",
    "It opens at a later time. Try again later.",
)
_FOREIGN: Final = Explanation(
    "wrong-network",
    HTTPStatus.FORBIDDEN,
    "This link does not work from your network",
    "It works only from certain networks. Connect to your organization's network, "
    "for example by VPN, and try again.",
)
_METHOD: Final = Explanation(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "Method not allowed",
    "This URL does not accept requests of this type.",
)
_FAILED: Final = Explanation(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong",
    "This is an error of the server, and it was logged. Try again later.",
)

_PRECONDITION: Final = Explanation(
    "precondition-failed",
    HTTPStatus.PRECONDITION_FAILED,
    "The file has changed",
    "It is not the version that was requested. Download it again from the beginning.",
)

BUSY: Final = Explanation(
    "busy",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Temporarily unavailable",
    "The service is starting or busy. Try again in a few seconds.",
    {"Retry-After": "5"},
)
_TOO_MANY_UPLOADS: Final = Explanation(
    "too-many-uploads",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many uploads at once",
    "Wait until one of them is complete. Nothing was stored.",
    {"Retry-After": "5"},
)
_TOO_MANY: Final = Explanation(
    "too-many-requests",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many requests at once",
    "Wait a moment, then try again.",
    {"Retry-After": "5"},
)
_TOO_LARGE: Final = Explanation(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The request is too large",
    "Nothing was stored.",
)
_TOO_SLOW: Final = Explanation(
    "timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    "The request took too long",
    "The connection was too slow or was lost. Try again.",
)
_NO_SPACE: Final = Explanation(
    "no-space",
    HTTPStatus.INSUFFICIENT_STORAGE,
    "Not enough storage",
    "The disk of the server is full. Ask the operator to free space.",
)

BY_ERROR: Final[dict[type[errors.RefusedError], Explanation]] = {
    errors.ExpiredLinkError: _EXPIRED,
    errors.EarlyLinkError: _EARLY,
    errors.ForeignClientError: _FOREIGN,
    errors.RevokedLinkError: _REVOKED,
    errors.DisabledOwnerError: _REVOKED,
    errors.SealedLinkError: Explanation(
        "sealed-link",
        HTTPStatus.NOT_FOUND,
        "This link can't be read",
        "The mail filter Mimecast has replaced the original link. Open it in the email "
        "itself, or ask the sender for the link.",
    ),
    errors.PostRequiredError: Explanation(
        "post-required",
        HTTPStatus.FORBIDDEN,
        "Downloads of this link are counted",
        "Open it in a browser, or send a POST: curl -LOJ -d '' LINK",
    ),
    errors.PasswordRequiredError: Explanation(
        "password-required",
        HTTPStatus.FORBIDDEN,
        "Password required",
        "Open it in a browser, or send the password: curl -LOJ -d password=... LINK",
    ),
    errors.WrongSharePasswordError: Explanation(
        "wrong-password",
        HTTPStatus.FORBIDDEN,
        "Wrong password",
        "This is not the password of this link. Check it and try again.",
    ),
    errors.CodeRequiredError: Explanation(
        "code-required",
        HTTPStatus.FORBIDDEN,
        "Code required",
        "Open it in a browser, or request a code by email to the recipient: "
        "curl -d otp= LINK",
    ),
    errors.WrongCodeError: Explanation(
        "wrong-code",
        HTTPStatus.FORBIDDEN,
        "Wrong code",
        "Only the code from the last email is valid. It works once and expires after "
        "ten minutes. Request a new code.",
    ),
    errors.TooManyCodesError: Explanation(
        "too-many-codes",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many codes requested",
        "Wait before you request another code, or use the code from the last email.",
    ),
    errors.CodeUnavailableError: Explanation(
        "code-unavailable",
        HTTPStatus.FORBIDDEN,
        "The code can't be sent",
        "This link needs a code, but the sender's account can no longer send email. "
        "Tell the sender.",
    ),
    errors.ShareBusyError: Explanation(
        "share-busy",
        HTTPStatus.CONFLICT,
        "Another download is running",
        "The number of downloads of this link is limited. If the running download "
        "fails, another one is possible: try again later.",
        {"Retry-After": str(errors.ShareBusyError.retry_after)},
    ),
    errors.ShareSpentError: Explanation(
        "share-spent",
        HTTPStatus.GONE,
        "No downloads left",
        "This link has reached its maximum number of downloads. If your own download "
        "was interrupted, resume it in the browser or program that started it. "
        "Otherwise ask the sender to allow one more download.",
    ),
    errors.EndedLeaseError: Explanation(
        "lease-ended",
        HTTPStatus.GONE,
        "This download was not started in time",
        "Another download was started since. Open the share link again.",
    ),
    errors.NothingTakenError: Explanation(
        "nothing-taken",
        HTTPStatus.CONFLICT,
        "No download was counted",
        "Nothing was downloaded with this link yet.",
    ),
    errors.GoneItemError: Explanation(
        "file-gone",
        HTTPStatus.GONE,
        "The file was deleted",
        "Ask the sender for a new link.",
    ),
    errors.IdempotencyKeyError: Explanation(
        "idempotency-key-reused",
        HTTPStatus.CONFLICT,
        "The key was used for another request",
        "The same Idempotency-Key was sent with other content. Nothing was created.",
    ),
    errors.NotAuthenticatedError: Explanation(
        "not-authenticated",
        HTTPStatus.UNAUTHORIZED,
        "Please log in",
        "This request needs a login, or a valid token (Authorization: Bearer ...).",
        {"WWW-Authenticate": 'Bearer realm="gateway"'},
    ),
    errors.NotPermittedError: Explanation(
        "not-permitted",
        HTTPStatus.FORBIDDEN,
        "Not allowed",
        "This account or token does not have permission.",
    ),
    errors.NewPasswordError: Explanation(
        "new-password-required",
        HTTPStatus.FORBIDDEN,
        "Choose a new password first",
        "Your password is temporary. Log in, change it, and try again.",
    ),
    errors.WrongPasswordError: Explanation(
        "wrong-login",
        HTTPStatus.FORBIDDEN,
        "Wrong user name or password",
        "Check both and try again.",
    ),
    errors.TooManyAttemptsError: Explanation(
        "too-many-attempts",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many wrong passwords",
        "Wait, then try again.",
    ),
    errors.ForgedFormError: Explanation(
        "stale-form",
        HTTPStatus.FORBIDDEN,
        "The page has expired",
        "It was open for too long, or you have logged in or out since, or the browser "
        "blocks cookies of this site. Nothing was changed. Go back, reload the page, "
        "and try again.",
    ),
    errors.BadFieldsError: Explanation(
        "invalid-fields",
        HTTPStatus.BAD_REQUEST,
        "Invalid request",
        "The body must be a JSON object with valid fields.",
    ),
    errors.BadNameError: Explanation(
        "invalid-name",
        HTTPStatus.BAD_REQUEST,
        "Invalid file name",
        "The file can't be stored under this name.",
    ),
    errors.BadUploadError: Explanation(
        "invalid-upload",
        HTTPStatus.BAD_REQUEST,
        "Invalid upload",
        "A header of the request is invalid. Nothing was stored.",
    ),
    errors.BadFormError: Explanation(
        "invalid-form",
        HTTPStatus.BAD_REQUEST,
        "Nothing was stored",
        "The form has no file, or was damaged during the upload. Go back, choose the "
        "files again, and upload them once more.",
    ),
    errors.TooManyFilesError: Explanation(
        "too-many-files",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Too many files at once",
        "Nothing was stored. Go back and upload fewer files at a time.",
    ),
    errors.DigestMismatchError: Explanation(
        "digest-mismatch",
        HTTPStatus.BAD_REQUEST,
        "The content was damaged",
        "It does not match the digest in the request. Nothing was stored.",
    ),
    errors.DropOverError: Explanation(
        "drop-over",
        HTTPStatus.GONE,
        "This drop link accepts no more files",
        "It is full or has expired. Ask its owner for a new one.",
    ),
    errors.NameTakenError: Explanation(
        "name-taken",
        HTTPStatus.PRECONDITION_FAILED,
        "A file with this name exists",
        "The request forbids a second file with the same name. Nothing was stored.",
    ),
    errors.RepeatedUploadError: Explanation(
        "upload-key-reused",
        HTTPStatus.CONFLICT,
        "The key was used for another upload",
        "The same Idempotency-Key was sent with another upload. Nothing was stored.",
    ),
    errors.TooLargeError: Explanation(
        "file-too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The file is too large",
        "It exceeds the maximum size. Nothing was stored.",
    ),
    errors.LengthRequiredError: Explanation(
        "length-required",
        HTTPStatus.LENGTH_REQUIRED,
        "Content-Length required",
        "Send the request with a Content-Length header. Nothing was stored.",
    ),
    errors.TypeRefusedError: Explanation(
        "type-not-allowed",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Files of this type are not accepted",
        "Nothing was stored.",
    ),
    errors.OverQuotaError: Explanation(
        "over-quota",
        HTTPStatus.INSUFFICIENT_STORAGE,
        "Not enough storage",
        "The file would exceed the quota. Delete other files first.",
    ),
    errors.NoSpaceError: _NO_SPACE,
    errors.TooManyUploadsError: _TOO_MANY_UPLOADS,
    # Of all 4xx, clients of tus repeat a request after 409 and 423 alone.
    errors.NoPlaceError: replace(_TOO_MANY_UPLOADS, status=HTTPStatus.LOCKED),
    errors.TooManyEndsError: BUSY,
    errors.TusVersionError: Explanation(
        "tus-version",
        HTTPStatus.PRECONDITION_FAILED,
        "Unsupported version of tus",
        "The request needs the header Tus-Resumable: 1.0.0.",
        {"Tus-Version": "1.0.0"},
    ),
    errors.ContentTypeError: Explanation(
        "content-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Unsupported content type",
        "Send the body with Content-Type: application/offset+octet-stream.",
    ),
    errors.ContentEncodingError: Explanation(
        "content-encoding",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Content-Encoding not supported",
        "The body is stored unchanged. Send it without Content-Encoding.",
    ),
    errors.WrongOffsetError: Explanation(
        "wrong-offset",
        HTTPStatus.CONFLICT,
        "Wrong offset",
        "Request the current offset (HEAD), and continue there. Nothing was stored.",
    ),
    errors.LockedError: Explanation(
        "locked",
        HTTPStatus.LOCKED,
        "The upload is in use",
        "Another request is writing to it. Request its offset (HEAD), and continue.",
    ),
    errors.ChecksumError: Explanation(
        "checksum-mismatch",
        460,
        "The content was damaged",
        "It does not match the checksum in the request. Send it again.",
        phrase="Checksum Mismatch",
    ),
    errors.UploadSessionOverError: Explanation(
        "upload-over",
        HTTPStatus.GONE,
        "This upload has ended",
        "It has expired, or was finished long ago. Start a new upload.",
    ),
    errors.UnfinishedPartError: Explanation(
        "unfinished-part",
        HTTPStatus.CONFLICT,
        "Unfinished part",
        "A part of the upload is incomplete, or belongs to another upload.",
    ),
}
#: The headers of a refused subrequest that nginx sends to the client, in the order in
#: which Flask joins them in one header.  None of their values contains a ``|``.
CARRIED: Final = (
    "Content-Type",
    "Content-Security-Policy",
    "Retry-After",
    "Tus-Version",
    "WWW-Authenticate",
)
#: Statuses that nginx answers itself, for requests that do not reach Flask.
BY_NGINX: Final = (
    NOT_FOUND,
    _TOO_MANY,
    BUSY,
    _METHOD,
    _PRECONDITION,
    _TOO_LARGE,
    _NO_SPACE,
    _TOO_SLOW,
    _FAILED,
)
#: nginx's answer to every other request that it refuses.
BAD_REQUEST: Final = Explanation(
    "invalid-request",
    HTTPStatus.BAD_REQUEST,
    "Invalid request",
    "The link may be incomplete or damaged. Copy the whole link again.",
)
BY_STATUS: Final = {
    explanation.status: explanation for explanation in (BAD_REQUEST, *BY_NGINX)
}
#: All explanations by name.  For tus, one of them has a second status.
BY_NAME: Final = {
    explanation.name: explanation
    for explanation in (*BY_STATUS.values(), *reversed(BY_ERROR.values()))
}
#: The prefix of the pages about problem types; the name follows.
PROBLEMS: Final = "/problems/"


def statuses() -> list[int]:
    """Return every status of a refusal or of the redirect to a repaired link."""
    known = (*BY_ERROR.values(), *BY_STATUS.values())
    refused = {int(explanation.status) for explanation in known}
    return sorted({*refused, int(HTTPStatus.PERMANENT_REDIRECT)})


def explain(error: errors.RefusedError) -> Explanation:
    """Return the explanation of *error* for the client."""
    explanation = BY_ERROR.get(type(error), NOT_FOUND)
    headers = explanation.headers
    if isinstance(error, errors.TooManyAttemptsError | errors.TooManyCodesError):
        headers = {"Retry-After": str(error.retry_after)}
    return replace(explanation, text=_text(error) or explanation.text, headers=headers)


def _text(error: errors.RefusedError) -> str:
    """Return the text with the facts of *error*, or an empty string."""
    match error:
        case errors.EarlyLinkError():
            begins = datetime.fromtimestamp(error.valid_from, UTC)
            return f"It opens on {begins:%Y-%m-%d at %H:%M} UTC. Try again then."
        case errors.TooManyAttemptsError():
            return f"Wait {_duration(error.retry_after)}, then try again."
        case errors.TooManyCodesError():
            return (
                "At most one code a minute and five a day are sent, and none while "
                f"another one is being sent. Wait {_duration(error.retry_after)}, or "
                "use the code from the last email."
            )
        case errors.CodeRequiredError() if error.mailed_to:
            return (
                f"A code was sent to {error.mailed_to}. Use it within ten minutes: "
                "curl -LOJ -d otp=... LINK"
            )
        case errors.WrongCodeError() if error.left:
            left = (
                "1 attempt left" if error.left == 1 else f"{error.left} attempts left"
            )
            return f"This is not the code from the last email. You have {left}."
        case _:
            return ""


def _duration(seconds: int) -> str:
    if seconds > 5400:  # noqa: PLR2004
        return f"{-(-seconds // 3600)} hours"
    if seconds > 90:  # noqa: PLR2004
        return f"{-(-seconds // 60)} minutes"
    return "a second" if seconds == 1 else f"{seconds} seconds"
