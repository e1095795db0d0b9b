"""``PUT /api/v1/files/<name>``: raw uploads.

nginx requests admission before it reads a body, spools the body, and passes on only the
spool file's name; Flask never gets a byte of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from flask import Blueprint, request

from gateway.catalog import uploads
from gateway.catalog.tokens import Scope
from gateway.delivery.accel import store_headers
from gateway.errors import (
    BadNameError,
    BadUploadError,
    ContentEncodingError,
    DigestMismatchError,
    DropOverError,
    LengthRequiredError,
    NameTakenError,
    NoFinaliseSlotError,
    NoSpaceError,
    NotPermittedError,
    NotServableError,
    OverQuotaError,
    RefusedError,
    RepeatedUploadError,
    TooLargeError,
    TooManyUploadsError,
    TypeRefusedError,
)
from gateway.storage.names import DisplayName
from gateway.uploads.description import UploadDescription, UploadReceipt
from gateway.uploads.finalise import ReceivedFile
from gateway.uploads.upload_request import UploadRequest
from gateway.web.api.operations import (
    Content,
    Header,
    Operation,
    answer,
)
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.family import COMMIT
from gateway.web.nginx.headers import (
    announced_length,
    original_path,
    put_answer,
    request_id,
    spooled_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flask import Response
    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import BlobStore
    from gateway.storage.media_types import MediaTypes
    from gateway.uploads.admission import Admission
    from gateway.uploads.finalise import Finaliser
    from gateway.web.api.operations import Refusal
    from gateway.web.auth.identity import Identities, Identity

PREFIX: Final = "/api/v1/files/"
# RFC 9530: members of a dictionary (RFC 9651, 3.2) whose values are byte sequences.
_DIGEST = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;[^,]*)?")
_SHA256: Final = "sha-256"
# Keys with these prefixes are reserved for the gateway.
_IDEMPOTENCY_KEY = re.compile(r"(?!tus:|drop:)[\x21-\x7e]{1,255}")
_HEADERS: Final = (
    Header(
        "Idempotency-Key",
        "A unique key for this upload: the client can then safely repeat the request. "
        "It must not begin with `tus:` or `drop:`.",
        {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    ),
    Header(
        "Content-Digest",
        "Digests of the content (RFC 9530); only the `sha-256` digest is checked.",
    ),
    Header("Repr-Digest", "The same as `Content-Digest`."),
    Header("If-None-Match", "`*`: the user must have no file of that name."),
)


def upload_operation(*, refusals: Sequence[Refusal], **declared: Any) -> Operation:  # noqa: ANN401
    """Return the declaration of an upload by one request."""
    return Operation(
        returns={HTTPStatus.CREATED: (UploadDescription, UploadReceipt)},
        answer_headers=[
            Header("Location", "The URL path of the file; absent with a drop link.")
        ],
        refusals=[
            *refusals,
            DropOverError,
            LengthRequiredError,
            NoSpaceError,
            OverQuotaError,
            TooLargeError,
            NoFinaliseSlotError,
            TooManyUploadsError,
            TypeRefusedError,
        ],
        **declared,
    )


@dataclass(frozen=True)
class RawUploads:
    """The views of raw uploads."""

    database: Database
    identities: Identities
    admission: Admission
    finaliser: Finaliser
    store: BlobStore
    types: MediaTypes
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("uploads", __name__)
        routes.add_url_rule(f"{PREFIX}<path:file>", view_func=self.put, methods=["PUT"])
        routes.add_url_rule(COMMIT, view_func=self.commit, methods=["PUT"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Admit an upload, or raise the error that refuses it."""
        del method  # PUT
        if "Content-Range" in request.headers:
            # RFC 9110, 14.5: a server must not store a partial PUT as the whole file.
            raise BadUploadError("content-range")
        identity = uploader(self.identities)
        name = _name(path)
        now = int(self.clock())
        upload_request = UploadRequest(
            reservation=request_id(),
            size=announced_length(),
            media_type=self.types.of(name.text),
            drop=identity.drop,
        )
        sha256 = _digest()
        is_new_name_required = _is_new_name_required(identity)
        key = _idempotency_key(identity, name, upload_request.size)
        with self.database.write() as connection:
            earlier = _earlier_upload(connection, identity, key)
            if earlier is not None:
                earlier.check_repeated(
                    name=name.text, size=upload_request.size, sha256=sha256
                )
                self.admission.admit_repeated(
                    connection, identity.user, upload_request, now=now
                )
                return
            if is_new_name_required:
                uploads.require_new_name(connection, identity.user, name.text)
            self.admission.admit(connection, identity.user, upload_request, now=now)

    def cut(self, method: str, path: bytes) -> None:
        """Release the reservation of an upload that was interrupted."""
        del method, path
        self.finaliser.release(request_id())

    @upload_operation(
        id="uploadFile",
        body=Content(
            "application/octet-stream", {"type": "string", "format": "binary"}
        ),
        parameters={"file": "The name to store the file under."},
        headers=_HEADERS,
        refusals=[
            BadNameError,
            BadUploadError,
            DigestMismatchError,
            NameTakenError,
            NotServableError,
            RepeatedUploadError,
            ContentEncodingError,
        ],
    )
    def put(self, file: str) -> Response:
        """Upload a file as the body of the request, whatever its Content-Type is.

        If the `Idempotency-Key` was used before, the first upload is returned, and
        nothing is stored.
        """
        del file  # Werkzeug has replaced invalid UTF-8 in it
        with self._received(request.environ["PATH_INFO"].encode("latin-1")) as (
            identity,
            received,
        ):
            put = self.finaliser.order(received, now=int(self.clock()))
            if put is not None:
                # nginx sends the body to the bucket, then requests COMMIT.
                return EmptyResponse(headers=store_headers(put))
            return self._finalise(identity, received)

    def commit(self) -> Response:
        """Record the upload whose body nginx has sent to the bucket.

        If nginx could not send it, store it.
        """
        answer = put_answer()
        try:
            with self._received(unquote_to_bytes(original_path())) as (
                identity,
                received,
            ):
                return self._finalise(identity, replace(received, put_answer=answer))
        except RefusedError:
            # The upload was not recorded: the token was revoked, for example.
            if answer is not None and answer.is_stored:
                self.finaliser.blobs.discard(answer.blob)
            raise

    @contextmanager
    def _received(self, path: bytes) -> Iterator[tuple[Identity, ReceivedFile]]:
        """Yield who uploads and what; release the reservation if that fails."""
        try:
            identity = uploader(self.identities)
            name = _name(path)
            with spooled_body(self.store) as source:
                size = source.stat().st_size
                yield (
                    identity,
                    ReceivedFile(
                        source=source,
                        name=name,
                        reservation=request_id(),
                        drop=identity.drop,
                        sha256=_digest(),
                        idempotency_key=_idempotency_key(identity, name, size),
                        is_new_name_required=_is_new_name_required(identity),
                    ),
                )
        except Exception:
            # The token may have been revoked while the body was uploading.
            self.finaliser.release(request_id())
            raise

    def _finalise(self, identity: Identity, received: ReceivedFile) -> Response:
        with self.finaliser.slots.hold(received.source.stat().st_size):
            upload = self.finaliser.finalise(
                identity.user, received, now=int(self.clock())
            )
        return created(upload, identity)


def uploader(identities: Identities) -> Identity:
    """Return the identity of an upload request; raise an error if it may not upload."""
    identity = identities.sender()
    identity.require(Scope.UPLOAD)
    return identity


def created(upload: Upload, identity: Identity) -> Response:
    """Return the answer to a finished upload; a drop link's sender gets a receipt."""
    if identity.drop is not None:
        return answer(UploadReceipt.of(upload), HTTPStatus.CREATED)
    description = UploadDescription.of(
        upload, identity.user.name, path_prefix=request.script_root
    )
    return answer(description, HTTPStatus.CREATED, Location=description.url)


def _name(path: bytes) -> DisplayName:
    if not path.startswith(PREFIX.encode()):
        raise BadNameError("no name")
    name = path.removeprefix(PREFIX.encode())
    if name.startswith(b"/") or b"\n" in name:
        # (!) Refuse it here: no route matches it, so nginx would read the body and the
        #     reservation would never be released.
        raise BadNameError("a name must not begin with a slash or contain a line break")
    try:
        return DisplayName.parse(name.decode())
    except UnicodeDecodeError:
        raise BadNameError("a name must be UTF-8") from None


def _digest() -> bytes | None:
    """Return the SHA-256 that the client sent (RFC 9530), or None.

    Content and representation are the same for an upload: two different digests raise
    DigestMismatchError.
    """
    digests = {
        sha256
        for header in ("Content-Digest", "Repr-Digest")
        if (text := request.headers.get(header)) is not None
        and (sha256 := _sha256(text)) is not None
    }
    if len(digests) > 1:
        raise DigestMismatchError
    return digests.pop() if digests else None


def _sha256(text: str) -> bytes | None:
    """Return the SHA-256 in a list of digests; None if all have other algorithms."""
    members = [_DIGEST.fullmatch(member.strip(" \t")) for member in text.split(",")]
    if not all(members):
        raise BadUploadError("digest-is-malformed")
    digests = {member[1]: member[2] for member in members if member is not None}
    if _SHA256 not in digests:
        return None
    try:
        sha256 = base64.b64decode(digests[_SHA256], validate=True)
    except binascii.Error:
        sha256 = b""
    if len(sha256) != hashlib.sha256().digest_size:
        raise BadUploadError("digest-is-not-sha-256")
    return sha256


def _idempotency_key(
    identity: Identity, name: DisplayName, size: int | None
) -> str | None:
    """Return the key to store for an upload of *size* bytes; None without a key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise BadUploadError("idempotency-key")
    if key is None or identity.drop is None:
        return key
    # (!) A repeated key returns the first upload.  Senders of a drop link must get
    #     neither the maker's uploads nor each other's: the stored key therefore depends
    #     on size and name, too.
    combined = f"{key} {size} {name.text}".encode()
    return f"drop:{identity.drop.id}:{hashlib.sha256(combined).hexdigest()}"


def _earlier_upload(
    connection: Connection, identity: Identity, key: str | None
) -> Upload | None:
    if key is None:
        return None
    return uploads.by_idempotency_key(connection, identity.user, key)


def _is_new_name_required(identity: Identity) -> bool:
    is_required = request.headers.get("If-None-Match") == "*"
    if is_required and identity.drop is not None:
        # The answer would reveal the names of the maker's uploads.
        raise NotPermittedError("names")
    return is_required
