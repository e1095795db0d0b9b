"""The one table from error and status to plain words; Flask and nginx say the same.

Forged, malformed, unknown and missing look alike: an error that is not in the
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
    """A status and its plain words, and headers that go with them.

    ``name`` is the public class of the error, the last part of a problem's ``type``;
    ``phrase`` is the status line's, for a status that HTTP does not have.
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
    "There is nothing here",
    "The link may have been cut or changed on its way. Copy it again, in one "
    "chunk, or ask the sender for a new one.",
)
_EXPIRED: Final = Explanation(
    "expired",
    HTTPStatus.GONE,
    "This link has expired",
    "Its time is over. Ask the sender for a new one.",
)
_REVOKED: Final = Explanation(
    "revoked",
    HTTPStatus.GONE,
    "This link was taken back",
    "Its owner has ended it. Ask the sender for a new one.",
)
_EARLY: Final = Explanation(
    "not-yet-open",
    HTTPStatus.FORBIDDEN,
    "This link is not open yet",
    "Its time has not come. Try again later.",
)
_FOREIGN: Final = Explanation(
    "wrong-network",
    HTTPStatus.FORBIDDEN,
    "This link does not open from here",
    "It opens only in certain networks. Connect to yours, perhaps by VPN, and try "
    "again.",
)
_METHOD: Final = Explanation(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "That is not possible here",
    "This address does not take requests of this kind.",
)
_FAILED: Final = Explanation(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong here",
    "It is not your fault, and it has been logged. Try again later.",
)

_PRECONDITION: Final = Explanation(
    "precondition-failed",
    HTTPStatus.PRECONDITION_FAILED,
    "The file is another one now",
    "It is not the version that the request asked for. Fetch it anew.",
)

BUSY: Final = Explanation(
    "busy",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Not available right now",
    "The service is starting or busy. Try again in a few seconds.",
    {"Retry-After": "5"},
)
_TOO_MANY_UPLOADS: Final = Explanation(
    "too-many-uploads",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many uploads at once",
    "Wait until one of them is done. Nothing was stored.",
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
    "That is too large",
    "Nothing was stored.",
)
_TOO_SLOW: Final = Explanation(
    "timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    "That took too long",
    "The connection was too slow or broke off. Try again.",
)
_NO_SPACE: Final = Explanation(
    "no-space",
    HTTPStatus.INSUFFICIENT_STORAGE,
    "There is no room left",
    "The disk is full. The operator has to make room.",
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
        "This link can't be unwrapped",
        "It is a link of the mail filter Mimecast, which does not tell what was sent. "
        "Open it in the mail itself, or ask the sender for the link.",
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
        "A password is needed",
        "Open it in a browser, or send the password: curl -LOJ -d password=... LINK",
    ),
    errors.WrongSharePasswordError: Explanation(
        "wrong-password",
        HTTPStatus.FORBIDDEN,
        "Wrong password",
        "That is not the password of this link. Check it and try again.",
    ),
    errors.CodeRequiredError: Explanation(
        "code-required",
        HTTPStatus.FORBIDDEN,
        "A code is needed",
        "Open it in a browser, or have a code mailed to the recipient: "
        "curl -d otp= LINK",
    ),
    errors.WrongCodeError: Explanation(
        "wrong-code",
        HTTPStatus.FORBIDDEN,
        "Wrong code",
        "Only the code of the last mail works, once and for ten minutes. Ask for "
        "another one.",
    ),
    errors.TooManyCodesError: Explanation(
        "too-many-codes",
        HTTPStatus.TOO_MANY_REQUESTS,
        "No further code just now",
        "Wait a while, or use the code of the last mail.",
    ),
    errors.CodeUnavailableError: Explanation(
        "code-unavailable",
        HTTPStatus.FORBIDDEN,
        "No code can be mailed",
        "This link needs a code, and the sender's account sends no mail any more. Tell "
        "the sender.",
    ),
    errors.ShareBusyError: Explanation(
        "share-busy",
        HTTPStatus.CONFLICT,
        "Somebody is downloading this right now",
        "This link can be used a limited number of times. If the download that is "
        "running does not come through, its place is free again: try again later.",
        {"Retry-After": str(errors.ShareBusyError.retry_after)},
    ),
    errors.ShareSpentError: Explanation(
        "share-spent",
        HTTPStatus.GONE,
        "This link has been used up",
        "It has been downloaded as often as it may. If your own download broke off, "
        "resume it in the browser or program that began it. Otherwise ask the sender "
        "to give a download back.",
    ),
    errors.EndedLeaseError: Explanation(
        "lease-ended",
        HTTPStatus.GONE,
        "This download was not begun in time",
        "Somebody else has pressed Download since. Open the share link again.",
    ),
    errors.NothingTakenError: Explanation(
        "nothing-taken",
        HTTPStatus.CONFLICT,
        "There is no download to give back",
        "Nobody has downloaded anything by this link.",
    ),
    errors.GoneItemError: Explanation(
        "file-gone",
        HTTPStatus.GONE,
        "The file is not here any more",
        "It was deleted. Ask the sender for it.",
    ),
    errors.IdempotencyKeyError: Explanation(
        "idempotency-key-reused",
        HTTPStatus.CONFLICT,
        "That key was used for another request",
        "The Idempotency-Key came before, with other content. Nothing was made.",
    ),
    errors.NotAuthenticatedError: Explanation(
        "not-authenticated",
        HTTPStatus.UNAUTHORIZED,
        "Please log in",
        "This is only for people who are logged in, and for programs with a valid "
        "token (Authorization: Bearer ...).",
        {"WWW-Authenticate": 'Bearer realm="gateway"'},
    ),
    errors.NotPermittedError: Explanation(
        "not-permitted",
        HTTPStatus.FORBIDDEN,
        "That is not allowed",
        "This account, or this token, does not allow it.",
    ),
    errors.NewPasswordError: Explanation(
        "new-password-required",
        HTTPStatus.FORBIDDEN,
        "Choose a new password first",
        "Your password was made for you. Log in, choose your own, and come back.",
    ),
    errors.WrongPasswordError: Explanation(
        "wrong-login",
        HTTPStatus.FORBIDDEN,
        "Wrong user name or password",
        "The user name or the password is wrong. Check both and try again.",
    ),
    errors.TooManyAttemptsError: Explanation(
        "too-many-attempts",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many wrong passwords",
        "Wait a while, then try again.",
    ),
    errors.ForgedFormError: Explanation(
        "stale-form",
        HTTPStatus.FORBIDDEN,
        "This page was too old",
        "It was open for too long, or somebody has logged in or out since, or the "
        "browser keeps no cookies for this address. Nothing was done. Go back, load "
        "the page again, and repeat it.",
    ),
    errors.BadFieldsError: Explanation(
        "invalid-fields",
        HTTPStatus.BAD_REQUEST,
        "Invalid request",
        "A field of its JSON object, or a key of its query, is missing or wrong.",
    ),
    errors.BadNameError: Explanation(
        "invalid-name",
        HTTPStatus.BAD_REQUEST,
        "The file needs another name",
        "No file can be shown under the name that was sent.",
    ),
    errors.BadUploadError: Explanation(
        "invalid-upload",
        HTTPStatus.BAD_REQUEST,
        "Invalid upload",
        "A header of the request can't be understood. Nothing was stored.",
    ),
    errors.BadFormError: Explanation(
        "invalid-form",
        HTTPStatus.BAD_REQUEST,
        "Nothing was stored",
        "The form came without a file, or was damaged on its way. Go back, choose "
        "the files again, and send them once more.",
    ),
    errors.TooManyFilesError: Explanation(
        "too-many-files",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Too many files at once",
        "Nothing was stored. Go back and send fewer at a time.",
    ),
    errors.DigestMismatchError: Explanation(
        "digest-mismatch",
        HTTPStatus.BAD_REQUEST,
        "The content was damaged",
        "It does not have the digest that was sent with it. Nothing was stored.",
    ),
    errors.DropOverError: Explanation(
        "drop-over",
        HTTPStatus.GONE,
        "This drop link takes nothing more",
        "It is used up or its time is over. Ask the sender for a new one.",
    ),
    errors.NameTakenError: Explanation(
        "name-taken",
        HTTPStatus.PRECONDITION_FAILED,
        "There is a file of that name",
        "The request asked not to store a second one. Nothing was stored.",
    ),
    errors.RepeatedUploadError: Explanation(
        "upload-key-reused",
        HTTPStatus.CONFLICT,
        "The key has been used",
        "Its idempotency key is another upload's. Nothing was stored.",
    ),
    errors.TooLargeError: Explanation(
        "file-too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The file is too large",
        "Files of that size are not taken. Nothing was stored.",
    ),
    errors.LengthRequiredError: Explanation(
        "length-required",
        HTTPStatus.LENGTH_REQUIRED,
        "The size has to be said first",
        "Send the request with a Content-Length. Nothing was stored.",
    ),
    errors.TypeRefusedError: Explanation(
        "type-not-allowed",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Files of this type are not taken",
        "Nothing was stored.",
    ),
    errors.OverQuotaError: Explanation(
        "over-quota",
        HTTPStatus.INSUFFICIENT_STORAGE,
        "There is no room left",
        "The file would pass the quota. Something has to be deleted first.",
    ),
    errors.NoSpaceError: _NO_SPACE,
    errors.TooManyUploadsError: _TOO_MANY_UPLOADS,
    # Of all 4xx, clients of tus repeat a request after 409 and 423 alone.
    errors.NoPlaceError: replace(_TOO_MANY_UPLOADS, status=HTTPStatus.LOCKED),
    errors.TooManyEndsError: BUSY,
    errors.TusVersionError: Explanation(
        "tus-version",
        HTTPStatus.PRECONDITION_FAILED,
        "Another version of tus is needed",
        "The request must say Tus-Resumable: 1.0.0.",
        {"Tus-Version": "1.0.0"},
    ),
    errors.ContentTypeError: Explanation(
        "content-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of the wrong type",
        "It must be sent as Content-Type: application/offset+octet-stream.",
    ),
    errors.ContentEncodingError: Explanation(
        "content-encoding",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is encoded",
        "It is stored as it comes: send it without Content-Encoding.",
    ),
    errors.WrongOffsetError: Explanation(
        "wrong-offset",
        HTTPStatus.CONFLICT,
        "The upload is not at that offset",
        "Ask how far it is (HEAD), and go on from there. Nothing was stored.",
    ),
    errors.LockedError: Explanation(
        "locked",
        HTTPStatus.LOCKED,
        "The upload is in use",
        "Another request is working on it. Ask how far it is (HEAD) and go on then.",
    ),
    errors.ChecksumError: Explanation(
        "checksum-mismatch",
        460,
        "The content was damaged",
        "It does not have the checksum that was sent with it. Send it again.",
        phrase="Checksum Mismatch",
    ),
    errors.UploadSessionOverError: Explanation(
        "upload-over",
        HTTPStatus.GONE,
        "This upload is over",
        "It was not finished in time, or long ago. Begin a new one.",
    ),
    errors.UnfinishedPartError: Explanation(
        "unfinished-part",
        HTTPStatus.CONFLICT,
        "A part is not whole",
        "A part of the upload has not come whole, or belongs to another one.",
    ),
}
#: The headers of a refusal that nginx shows again when a subrequest was refused, in
#: the order in which they travel in one header. None of their texts has a ``|``.
CARRIED: Final = (
    "Content-Type",
    "Content-Security-Policy",
    "Retry-After",
    "Tus-Version",
    "WWW-Authenticate",
)
#: The statuses whose page has a box to paste the link that was sent.
WITH_BOX: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
#: What nginx says by itself, of requests that do not reach Flask.
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
#: What nginx says of every other request that it can't take.
BAD_REQUEST: Final = Explanation(
    "invalid-request",
    HTTPStatus.BAD_REQUEST,
    "Invalid request",
    "Something on the way may have damaged it. Copy the link again, in one chunk.",
)
BY_STATUS: Final = {
    explanation.status: explanation for explanation in (BAD_REQUEST, *BY_NGINX)
}
#: All that a client can be told, by name; tus has one of them under a second status.
BY_NAME: Final = {
    explanation.name: explanation
    for explanation in (*BY_STATUS.values(), *reversed(BY_ERROR.values()))
}
#: Where the page about a problem's type is, which its name ends.
PROBLEMS: Final = "/problems/"


def statuses() -> list[int]:
    """Return every status that a request can be refused with, or led on."""
    known = (*BY_ERROR.values(), *BY_STATUS.values())
    refused = {int(explanation.status) for explanation in known}
    return sorted({*refused, int(HTTPStatus.PERMANENT_REDIRECT)})


def explain(error: errors.RefusedError) -> Explanation:
    """Return what a client is told of *error*."""
    explanation = BY_ERROR.get(type(error), NOT_FOUND)
    headers = explanation.headers
    if isinstance(error, errors.TooManyAttemptsError | errors.TooManyCodesError):
        headers = {"Retry-After": str(error.retry_after)}
    return replace(explanation, text=_text(error) or explanation.text, headers=headers)


def _text(error: errors.RefusedError) -> str:
    """Return the words that the facts of *error* make, if they make any."""
    match error:
        case errors.EarlyLinkError():
            begins = datetime.fromtimestamp(error.valid_from, UTC)
            return f"It opens on {begins:%Y-%m-%d at %H:%M} UTC. Try again then."
        case errors.TooManyAttemptsError():
            return f"Wait {_span(error.retry_after)}, then try again."
        case errors.TooManyCodesError():
            return (
                "Codes are mailed once a minute and five times a day at most, and none "
                f"while one is on its way. Wait {_span(error.retry_after)}, or use the "
                "code of the last mail."
            )
        case errors.CodeRequiredError() if error.mailed_to:
            return (
                f"A code was mailed to {error.mailed_to}. Send it within ten minutes: "
                "curl -LOJ -d otp=... LINK"
            )
        case errors.WrongCodeError() if error.left:
            left = "one more try" if error.left == 1 else f"{error.left} more tries"
            return f"That is not the code of the last mail. You have {left}."
        case _:
            return ""


def _span(seconds: int) -> str:
    if seconds > 5400:  # noqa: PLR2004
        return f"{-(-seconds // 3600)} hours"
    if seconds > 90:  # noqa: PLR2004
        return f"{-(-seconds // 60)} minutes"
    return "a second" if seconds == 1 else f"{seconds} seconds"
