"""``/tus/[<id>]``: resumable uploads by tus 1.0.0.

nginx requests admission before it reads a body, spools the body, and adds
Tus-Resumable to every answer.
https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request
from werkzeug.http import http_date

from gateway.errors import (
    BadUploadError,
    LengthRequiredError,
    NotServableError,
    NoUploadSlotError,
    TooLargeError,
    TooManyUploadsError,
)
from gateway.uploads.description import upload_path
from gateway.uploads.resumable import protocol
from gateway.uploads.resumable.protocol import PREFIX, Chunk, Creation
from gateway.uploads.resumable.sender import Sender
from gateway.uploads.upload_request import UploadRequest
from gateway.web.api.raw_uploads import uploader
from gateway.web.nginx import family
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.headers import (
    announced_length,
    request_id,
    spooled_body,
    spooled_file,
)
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.upload_sessions import UploadSession
    from gateway.uploads.resumable.chunks import Chunks
    from gateway.uploads.resumable.concatenation import Concatenation
    from gateway.uploads.resumable.sessions import Progress, UploadSessions
    from gateway.web.auth.identity import Identities


#: The paths at which uploads are created.
_COLLECTION: Final = frozenset({b"/tus", b"/tus/"})


@dataclass(frozen=True)
class TusUploads:
    """The views of resumable uploads; ``replica`` is this gateway's name, if set."""

    identities: Identities
    sessions: UploadSessions
    chunks: Chunks
    concatenation: Concatenation
    clock: Callable[[], float]
    replica: str | None = None

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("tus", __name__, url_prefix="/tus")
        # Registered for the whole app, to run also when no route accepts the method.
        routes.before_app_request(_check_method_override)
        for rule, method, view in (
            ("", "OPTIONS", self.options),
            ("", "POST", self.create),
            ("/", "OPTIONS", self.options),
            ("/", "POST", self.create),
            ("/<session_id>", "OPTIONS", self.options),
            ("/<session_id>", "HEAD", self.progress),
            ("/<session_id>", "PATCH", self.append),
            ("/<session_id>", "DELETE", self.terminate),
        ):
            routes.add_url_rule(
                rule, view_func=view, methods=[method], provide_automatic_options=False
            )
        return routes

    def options(self, session_id: str | None = None) -> Response:
        """Return the supported versions and extensions, without authentication."""
        del session_id
        limit = self.sessions.finaliser.admission.limits.size
        headers = {
            "Tus-Version": protocol.VERSION,
            "Tus-Extension": protocol.EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(protocol.ALGORITHMS),
            **({"Tus-Max-Size": str(limit)} if limit else {}),
        }
        return _empty(204, headers)

    def admit(self, method: str, path: bytes) -> None:
        """Admit a body before it is read, or raise the error that refuses it."""
        with _retryable_refusals():
            self._admit(method, path)

    def _admit(self, method: str, path: bytes) -> None:
        protocol.check_method_override(request.headers.get, method)
        protocol.check_version(request.headers.get)
        sender = self._sender()
        if method == "PATCH":
            self.chunks.admit(
                sender,
                _path_id(path),
                Chunk.parse(request.headers.get),
                length=_length(),
                request_id=request_id(),
                now=self._now(),
            )
        elif path not in _COLLECTION:
            raise NotServableError("no-upload")
        elif announced_length() != 0:
            self._admit_creation(sender)

    def cut(self, method: str, path: bytes) -> None:
        """Keep the received bytes of a PATCH; release the reservation of a POST."""
        if method != "PATCH":
            self.sessions.finaliser.release(request_id())
            return
        session_id = _path_id(path)
        with self._releasing_on_failure(session_id):
            self.chunks.keep_interrupted(
                self._sender(),
                session_id,
                Chunk.parse(request.headers.get),
                spooled_file(self.sessions.finaliser.store),
                request_id=request_id(),
                now=self._now(),
            )

    def create(self) -> Response:
        """Create an upload, with or without a body, or concatenate partial uploads."""
        with self._releasing_on_failure():
            protocol.check_version(request.headers.get)
            sender = self._sender()
            creation = Creation.parse(request.headers.get)
            if creation.partial_ids:
                progress = self.concatenation.concatenate(
                    sender, creation, now=self._now()
                )
                return self._answer(201, sender, progress, is_new=True)
            with (
                spooled_body(self.sessions.finaliser.store) as source,
                self.sessions.finaliser.slots.hold(source.stat().st_size),
            ):
                progress = self.chunks.create(
                    sender,
                    creation,
                    source,
                    protocol.checksum(request.headers.get),
                    request_id=request_id(),
                    now=self._now(),
                )
        return self._answer(201, sender, progress, is_new=True)

    def progress(self, session_id: str) -> Response:
        """Return an upload's offset and the headers of its creation."""
        protocol.check_version(request.headers.get)
        sender = self._sender()
        progress = self.sessions.progress(sender, _id(session_id), now=self._now())
        response = self._answer(200, sender, progress)
        response.headers.update(_creation_headers(progress.session))
        return response

    def append(self, session_id: str) -> Response:
        """Append the chunk that nginx has spooled."""
        session_id = _id(session_id)
        with self._releasing_on_failure(session_id):
            protocol.check_version(request.headers.get)
            sender = self._sender()
            chunk = Chunk.parse(request.headers.get)
            with spooled_body(self.sessions.finaliser.store) as source:
                progress = self.chunks.append(
                    sender,
                    session_id,
                    chunk,
                    source,
                    request_id=request_id(),
                    now=self._now(),
                )
        return self._answer(204, sender, progress)

    def terminate(self, session_id: str) -> Response:
        """Delete an upload, finished or not."""
        protocol.check_version(request.headers.get)
        self.sessions.terminate(self._sender(), _id(session_id), now=self._now())
        return _empty(204, {})

    def _admit_creation(self, sender: Sender) -> None:
        """Reserve space for a POST with a body, under the request's id."""
        length = _length()
        protocol.check_content_type(request.headers.get)
        protocol.checksum(request.headers.get)
        creation = Creation.parse(request.headers.get)
        if creation.partial_ids:
            raise BadUploadError("final-with-body")
        if creation.size is not None and length > creation.size:
            raise TooLargeError(creation.size)
        now = self._now()
        is_typed = creation.is_named and not creation.is_partial
        upload_request = UploadRequest(
            reservation=request_id(),
            size=length if creation.size is None else creation.size,
            media_type=(
                self.sessions.types.of(creation.name.text) if is_typed else None
            ),
            drop=sender.drop,
        )
        with self.sessions.database.write() as connection:
            self.sessions.finaliser.admission.admit(
                connection, sender.user, upload_request, now=now
            )

    def _answer(
        self, status: int, sender: Sender, progress: Progress, *, is_new: bool = False
    ) -> Response:
        session = progress.session
        headers = {
            "Upload-Offset": str(progress.offset),
            "Upload-Expires": http_date(session.expires),
        }
        if is_new:
            path = protocol.session_path(session.id, self.replica)
            headers["Location"] = prefixed(path)
        is_for_owner = session.concat != protocol.PARTIAL and sender.drop is None
        if session.upload_id is not None and is_for_owner:
            path = upload_path(session.upload_id, session.name)
            headers["Content-Location"] = prefixed(path)
        return _empty(status, headers)

    @contextmanager
    def _releasing_on_failure(self, session_id: str | None = None) -> Iterator[None]:
        """On an error, release the reservation or end the session's active request.

        An error is possible even after admission: for example, the token may have been
        revoked while the body was uploading.
        """
        try:
            with _retryable_refusals():
                yield
        except Exception:
            if session_id is None:
                self.sessions.finaliser.release(request_id())
            else:
                self.sessions.end_request(session_id, request_id())
            raise

    def _sender(self) -> Sender:
        identity = uploader(self.identities)
        return Sender(identity.user, identity.drop)

    def _now(self) -> int:
        return int(self.clock())


def _check_method_override() -> None:
    current = family.current_family()
    is_from_nginx = request.path in {family.ADMIT, family.CUT}
    if current is not None and current.may_name_method and not is_from_nginx:
        protocol.check_method_override(request.headers.get, request.method)


@contextmanager
def _retryable_refusals() -> Iterator[None]:
    """Raise NoUploadSlotError for TooManyUploadsError: tus clients then retry."""
    try:
        yield
    except TooManyUploadsError as error:
        raise NoUploadSlotError(error.limit) from None


def _empty(status: int, headers: dict[str, str]) -> Response:
    return EmptyResponse(status=status, headers=headers)


def _creation_headers(session: UploadSession) -> dict[str, str]:
    """Return the headers of the request that created the upload."""
    headers = {"Upload-Metadata": session.metadata, "Upload-Concat": session.concat}
    if session.size is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(session.size)
    return {name: text for name, text in headers.items() if text}


def _path_id(path: bytes) -> str:
    return _id(path.decode("latin-1").removeprefix(PREFIX))


def _id(segment: str) -> str:
    """Return the session's id in the last segment of its path."""
    session_id = protocol.session_id(segment)
    if session_id is None:
        raise NotServableError("no-upload")
    return session_id


def _length() -> int:
    """Return the body's length in bytes; raise LengthRequiredError without one.

    Without a length, the body could exceed the upload's remaining bytes.
    """
    length = announced_length()
    if length is None:
        raise LengthRequiredError
    return length
