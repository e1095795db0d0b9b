"""Explanations of errors of uploads, upload sessions and drop links."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from gateway import errors
from gateway.http.explanations.general import BUSY, NO_SPACE, Explanation

_TOO_MANY_UPLOADS: Final = Explanation(
    "too-many-uploads",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many uploads at once",
    "The file was not stored. Wait until another upload has finished, then try again.",
    {"Retry-After": "5"},
)

EXPLANATIONS: Final[dict[type[errors.RefusedError], Explanation]] = {
    errors.BadNameError: Explanation(
        "invalid-name",
        HTTPStatus.BAD_REQUEST,
        "Invalid file name",
        "Choose another name for the file.",
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
        "Upload failed",
        "The form had no file, or was damaged on its way. Nothing was stored. Go back, "
        "choose the files again, and send them once more.",
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
        "The upload was damaged",
        "The content does not match the digest in the request. Nothing was stored.",
    ),
    errors.DropOverError: Explanation(
        "drop-over",
        HTTPStatus.GONE,
        "This drop link accepts no more uploads",
        "It is used up, expired or revoked. Ask the person who sent you the link for a "
        "new link.",
    ),
    errors.NameTakenError: Explanation(
        "name-taken",
        HTTPStatus.PRECONDITION_FAILED,
        "File already exists",
        "A file with this name exists, and the request does not allow a second one. "
        "Nothing was stored.",
    ),
    errors.RepeatedUploadError: Explanation(
        "upload-key-reused",
        HTTPStatus.CONFLICT,
        "Idempotency key already used",
        "The idempotency key belongs to another upload. Nothing was stored.",
    ),
    errors.TooLargeError: Explanation(
        "file-too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "File too large",
        "The file exceeds the size limit and was not stored.",
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
        "File type not allowed",
        "The file was not stored.",
    ),
    errors.OverQuotaError: Explanation(
        "over-quota",
        HTTPStatus.INSUFFICIENT_STORAGE,
        "Quota exceeded",
        "There is not enough space left for this file. Delete other files first.",
    ),
    errors.NoSpaceError: NO_SPACE,
    errors.TooManyUploadsError: _TOO_MANY_UPLOADS,
    # Of all 4xx statuses, tus clients only retry after 409 and 423.
    errors.NoUploadSlotError: replace(_TOO_MANY_UPLOADS, status=HTTPStatus.LOCKED),
    errors.NoFinaliseSlotError: BUSY,
    errors.TusVersionError: Explanation(
        "tus-version",
        HTTPStatus.PRECONDITION_FAILED,
        "Unsupported tus version",
        "The request must have the header Tus-Resumable: 1.0.0.",
        {"Tus-Version": "1.0.0"},
    ),
    errors.ContentTypeError: Explanation(
        "content-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Wrong Content-Type",
        "Send the body with Content-Type: application/offset+octet-stream.",
    ),
    errors.ContentEncodingError: Explanation(
        "content-encoding",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Content-Encoding not supported",
        "The body is stored as it is sent: send it without Content-Encoding.",
    ),
    errors.WrongOffsetError: Explanation(
        "wrong-offset",
        HTTPStatus.CONFLICT,
        "Wrong upload offset",
        "Request the current offset with HEAD, and continue from there. Nothing was "
        "stored.",
    ),
    errors.LockedError: Explanation(
        "locked",
        HTTPStatus.LOCKED,
        "Upload in use",
        "Another request is using this upload. Request the current offset with HEAD, "
        "then continue.",
    ),
    errors.ChecksumError: Explanation(
        "checksum-mismatch",
        460,
        "The upload was damaged",
        "The content does not match the checksum in the request. Send it again.",
        phrase="Checksum Mismatch",
    ),
    errors.UploadSessionOverError: Explanation(
        "upload-over",
        HTTPStatus.GONE,
        "This upload has expired",
        "It was not finished in time, or it was finished long ago. Start a new upload.",
    ),
    errors.OtherGatewayError: Explanation(
        "upload-lost",
        HTTPStatus.GONE,
        "This upload can't be continued",
        "The server that has received its first part is not reachable. Start a new "
        "upload.",
    ),
    errors.UnfinishedPartError: Explanation(
        "unfinished-part",
        HTTPStatus.CONFLICT,
        "Incomplete part",
        "A part of the upload is not complete, or belongs to another upload.",
    ),
}
