"""``/tus/[<id>]``: resumable uploads by tus 1.0.0.

nginx asks for admission before it reads a body, spools the body, and adds
Tus-Resumable to every answer.
https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.http import http_date

from gateway.catalog.tokens import Scope
from gateway.errors import (
    BadUploadError,
    LengthRequiredError,
    NotServableError,
    NoUploadSlotError,
    TooLargeError,
    TooManyUploadsError,
)
from gateway.storage.blobs import is_id
from gateway.uploads.resumable import protocol
from gateway.uploads.resumable.protocol import PREFIX, Chunk, Creation
from gateway.uploads.resumable.sender import Sender
from gateway.uploads.upload_request import UploadRequest
from gateway.web.nginx import family
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.headers import SPOOL_HEADER, announced_length, spooled_body
from gateway.web.problems import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.upload_sessions import UploadSession
    from gateway.uploads.resumable.chunks import Chunks
    from gateway.uploads.resumable.concatenation import Concatenation
    from gateway.uploads.resumable.sessions import Progress, UploadSessions
    from gateway.web.auth.identity import Identities


#: Where uploads are created.
_COLLECTION: Final = frozenset({b"/tus", b"/tus/"})


@dataclass(frozen=True)
class TusUploads:
    """The views of resumable uploads."""

    identities: Identities
    sessions: UploadSessions
    chunks: Chunks
    concatenation: Concatenation
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("tus", __name__, url_prefix="/tus")
        # Also where no route takes the method.
        routes.before_app_request(_check_named_method)
        for rule, method, view in (
            ("", "OPTIONS", self.options),
            ("", "POST", self.create),
            ("/", "OPTIONS", self.options),
            ("/", "POST", self.create),
            ("/<session_id>", "OPTIONS", self.options),
            ("/<session_id>", "HEAD", self.look),
            ("/<session_id>", "PATCH", self.append),
            ("/<session_id>", "DELETE", self.terminate),
        ):
            routes.add_url_rule(
                rule, view_func=view, methods=[method], provide_automatic_options=False
            )
        return routes

    def options(self, session_id: str | None = None) -> Response:
        """Say what is possible here, to anyone."""
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
        """Let a body come, or raise why not."""
        with _places_are_waited_for():
            self._admit(method, path)

    def _admit(self, method: str, path: bytes) -> None:
        protocol.check_named_method(request.headers.get, method)
        protocol.check_version(request.headers.get)
        sender = self._sender()
        if method == "PATCH":
            self.chunks.admit(
                sender,
                _id(path),
                Chunk.parse(request.headers.get),
                length=_length(),
                request_id=_request_id(),
                now=self._now(),
            )
        elif path not in _COLLECTION:
            raise NotServableError("no-upload")
        elif announced_length() != 0:
            self._admit_creation(sender)

    def cut(self, method: str, path: bytes) -> None:
        """Keep what had come of a PATCH; give back the room of a POST."""
        if method != "PATCH":
            self.sessions.finaliser.give_back(_request_id())
            return
        session_id = _id(path)
        with self._letting_go(session_id):
            self.chunks.salvage(
                self._sender(),
                session_id,
                Chunk.parse(request.headers.get),
                self.sessions.finaliser.store.spooled(
                    request.headers.get(SPOOL_HEADER, "")
                ),
                request_id=_request_id(),
                now=self._now(),
            )

    def create(self) -> Response:
        """Make an upload, perhaps with its first bytes, perhaps of parts."""
        with self._letting_go():
            protocol.check_version(request.headers.get)
            sender = self._sender()
            creation = Creation.parse(request.headers.get)
            if creation.parts:
                progress = self.concatenation.make(sender, creation, now=self._now())
                return self._answer(201, sender, progress, is_new=True)
            with (
                spooled_body(self.sessions.finaliser.store) as source,
                self.sessions.finaliser.ends.one(source.stat().st_size),
            ):
                progress = self.chunks.begin(
                    sender,
                    creation,
                    source,
                    protocol.checksum(request.headers.get),
                    request_id=_request_id(),
                    now=self._now(),
                )
        return self._answer(201, sender, progress, is_new=True)

    def look(self, session_id: str) -> Response:
        """Say how far an upload is."""
        protocol.check_version(request.headers.get)
        sender = self._sender()
        progress = self.sessions.look(sender, session_id, now=self._now())
        response = self._answer(200, sender, progress)
        response.headers.update(_told(progress.session))
        return response

    def append(self, session_id: str) -> Response:
        """Add the bytes that nginx has spooled."""
        with self._letting_go(session_id):
            protocol.check_version(request.headers.get)
            sender = self._sender()
            chunk = Chunk.parse(request.headers.get)
            with spooled_body(self.sessions.finaliser.store) as source:
                progress = self.chunks.append(
                    sender,
                    session_id,
                    chunk,
                    source,
                    request_id=_request_id(),
                    now=self._now(),
                )
        return self._answer(204, sender, progress)

    def terminate(self, session_id: str) -> Response:
        """End an upload, finished or not."""
        protocol.check_version(request.headers.get)
        self.sessions.terminate(self._sender(), session_id, now=self._now())
        return _empty(204, {})

    def _admit_creation(self, sender: Sender) -> None:
        """Reserve room for a POST with a body, under the request's own id."""
        length = _length()
        protocol.check_content_type(request.headers.get)
        protocol.checksum(request.headers.get)
        creation = Creation.parse(request.headers.get)
        if creation.parts:
            raise BadUploadError("final-with-body")
        if creation.size is not None and length > creation.size:
            raise TooLargeError(creation.size)
        now = self._now()
        is_typed = creation.is_named and not creation.is_partial
        coming = UploadRequest(
            reservation=_request_id(),
            size=length if creation.size is None else creation.size,
            media_type=(
                self.sessions.types.of(creation.name.text) if is_typed else None
            ),
            drop=sender.drop,
        )
        with self.sessions.database.write() as connection:
            self.sessions.finaliser.admission.admit(
                connection, sender.user, coming, now=now
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
            headers["Location"] = PREFIX + session.id
        is_stored = session.upload_id is not None and session.concat != protocol.PARTIAL
        if is_stored and sender.drop is None:
            name = quote(session.name, safe="")
            headers["Content-Location"] = f"/files/{session.upload_id}/{name}"
        return _empty(status, headers)

    @contextmanager
    def _letting_go(self, session_id: str | None = None) -> Iterator[None]:
        """Keep no room and no request_id for a request that comes to nothing.

        The token may have been revoked while the body was uploading.
        """
        try:
            with _places_are_waited_for():
                yield
        except Exception:
            if session_id is None:
                self.sessions.finaliser.give_back(_request_id())
            else:
                self.sessions.end_request(session_id, _request_id())
            raise

    def _sender(self) -> Sender:
        identity = self.identities.sender()
        identity.require(Scope.UPLOAD)
        return Sender(identity.user, identity.drop)

    def _now(self) -> int:
        return int(self.clock())


def _check_named_method() -> None:
    named = family.named()
    is_asked = request.path in {family.ADMIT, family.CUT}
    if named is not None and named.may_name_method and not is_asked:
        protocol.check_named_method(request.headers.get, request.method)


@contextmanager
def _places_are_waited_for() -> Iterator[None]:
    """Refuse what finds no place in a way that clients of tus repeat."""
    try:
        yield
    except TooManyUploadsError as error:
        raise NoUploadSlotError(error.limit) from None


def _empty(status: int, headers: dict[str, str]) -> Response:
    return EmptyResponse(status=status, headers=headers)


def _told(session: UploadSession) -> dict[str, str]:
    """Return what was said of an upload when it was created."""
    told = {"Upload-Metadata": session.metadata, "Upload-Concat": session.concat}
    if session.size is None:
        told["Upload-Defer-Length"] = "1"
    else:
        told["Upload-Length"] = str(session.size)
    return {name: text for name, text in told.items() if text}


def _id(path: bytes) -> str:
    text = path.decode("latin-1").removeprefix(PREFIX)
    if not is_id(text):
        raise NotServableError("no-upload")
    return text


def _request_id() -> str:
    return request.headers.get(REQUEST_ID_HEADER, "")


def _length() -> int:
    """Return the length of the body; raise LengthRequiredError if it says none.

    Nothing else would hold it to what the upload still lacks.
    """
    length = announced_length()
    if length is None:
        raise LengthRequiredError
    return length
