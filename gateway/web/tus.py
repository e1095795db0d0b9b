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
    NoPlaceError,
    NotServableError,
    TooLargeError,
    TooManyUploadsError,
)
from gateway.storage.blobs import is_id
from gateway.uploads import tus
from gateway.uploads.announcement import Announcement
from gateway.uploads.sender import Sender
from gateway.uploads.tus import PREFIX, Creation, Piece
from gateway.web import family
from gateway.web.refusals import REQUEST_ID_HEADER
from gateway.web.spooled import SPOOL_HEADER, announced_length, spooled_body
from gateway.web.untyped import Untyped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.partials import Partial
    from gateway.uploads.concatenation import Concatenation
    from gateway.uploads.pieces import Pieces
    from gateway.uploads.resumable import Progress, Resumables
    from gateway.web.identity import Identities


#: Where uploads are created.
_COLLECTION: Final = frozenset({b"/tus", b"/tus/"})


@dataclass(frozen=True)
class TusUploads:
    """The views of resumable uploads."""

    identities: Identities
    resumables: Resumables
    pieces: Pieces
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
            ("/<partial_id>", "OPTIONS", self.options),
            ("/<partial_id>", "HEAD", self.look),
            ("/<partial_id>", "PATCH", self.append),
            ("/<partial_id>", "DELETE", self.terminate),
        ):
            routes.add_url_rule(
                rule, view_func=view, methods=[method], provide_automatic_options=False
            )
        return routes

    def options(self, partial_id: str | None = None) -> Response:
        """Say what is possible here, to anyone."""
        del partial_id
        limit = self.resumables.finaliser.admission.limits.size
        headers = {
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
            **({"Tus-Max-Size": str(limit)} if limit else {}),
        }
        return _empty(204, headers)

    def admit(self, method: str, path: bytes) -> None:
        """Let a body come, or raise why not."""
        with _places_are_waited_for():
            self._admit(method, path)

    def _admit(self, method: str, path: bytes) -> None:
        tus.check_named_method(request.headers.get, method)
        tus.check_version(request.headers.get)
        sender = self._sender()
        if method == "PATCH":
            self.pieces.admit(
                sender,
                _id(path),
                Piece.parse(request.headers.get),
                length=_length(),
                turn=_turn(),
                now=self._now(),
            )
        elif path not in _COLLECTION:
            raise NotServableError("no-upload")
        elif announced_length() != 0:
            self._admit_creation(sender)

    def cut(self, method: str, path: bytes) -> None:
        """Keep what had come of a PATCH; give back the room of a POST."""
        if method != "PATCH":
            self.resumables.finaliser.give_back(_turn())
            return
        partial_id = _id(path)
        with self._letting_go(partial_id):
            self.pieces.salvage(
                self._sender(),
                partial_id,
                Piece.parse(request.headers.get),
                self.resumables.finaliser.store.spooled(
                    request.headers.get(SPOOL_HEADER, "")
                ),
                turn=_turn(),
                now=self._now(),
            )

    def create(self) -> Response:
        """Make an upload, perhaps with its first bytes, perhaps of parts."""
        with self._letting_go():
            tus.check_version(request.headers.get)
            sender = self._sender()
            creation = Creation.parse(request.headers.get)
            if creation.parts:
                progress = self.concatenation.make(sender, creation, now=self._now())
                return self._answer(201, sender, progress, is_new=True)
            with (
                spooled_body(self.resumables.finaliser.store) as source,
                self.resumables.finaliser.ends.one(source.stat().st_size),
            ):
                progress = self.pieces.begin(
                    sender,
                    creation,
                    source,
                    tus.checksum(request.headers.get),
                    turn=_turn(),
                    now=self._now(),
                )
        return self._answer(201, sender, progress, is_new=True)

    def look(self, partial_id: str) -> Response:
        """Say how far an upload is."""
        tus.check_version(request.headers.get)
        sender = self._sender()
        progress = self.resumables.look(sender, partial_id, now=self._now())
        response = self._answer(200, sender, progress)
        response.headers.update(_told(progress.partial))
        return response

    def append(self, partial_id: str) -> Response:
        """Add the bytes that nginx has spooled."""
        with self._letting_go(partial_id):
            tus.check_version(request.headers.get)
            sender = self._sender()
            piece = Piece.parse(request.headers.get)
            with spooled_body(self.resumables.finaliser.store) as source:
                progress = self.pieces.append(
                    sender, partial_id, piece, source, turn=_turn(), now=self._now()
                )
        return self._answer(204, sender, progress)

    def terminate(self, partial_id: str) -> Response:
        """End an upload, finished or not."""
        tus.check_version(request.headers.get)
        self.resumables.terminate(self._sender(), partial_id, now=self._now())
        return _empty(204, {})

    def _admit_creation(self, sender: Sender) -> None:
        """Reserve room for a POST with a body, under the request's own id."""
        length = _length()
        tus.check_content_type(request.headers.get)
        tus.checksum(request.headers.get)
        creation = Creation.parse(request.headers.get)
        if creation.parts:
            raise BadUploadError("final-with-body")
        if creation.size is not None and length > creation.size:
            raise TooLargeError(creation.size)
        now = self._now()
        is_typed = creation.is_named and not creation.is_partial
        coming = Announcement(
            reservation=_turn(),
            size=length if creation.size is None else creation.size,
            media_type=(
                self.resumables.types.of(creation.name.text) if is_typed else None
            ),
            drop=sender.drop,
        )
        with self.resumables.database.write() as connection:
            self.resumables.finaliser.admission.admit(
                connection, sender.user, coming, now=now
            )

    def _answer(
        self, status: int, sender: Sender, progress: Progress, *, is_new: bool = False
    ) -> Response:
        partial = progress.partial
        headers = {
            "Upload-Offset": str(progress.offset),
            "Upload-Expires": http_date(partial.expires),
        }
        if is_new:
            headers["Location"] = PREFIX + partial.id
        is_stored = partial.upload_id is not None and partial.concat != tus.PARTIAL
        if is_stored and sender.drop is None:
            name = quote(partial.name, safe="")
            headers["Content-Location"] = f"/files/{partial.upload_id}/{name}"
        return _empty(status, headers)

    @contextmanager
    def _letting_go(self, partial_id: str | None = None) -> Iterator[None]:
        """Keep no room and no turn for a request that comes to nothing.

        The token may have been revoked while the body was uploading.
        """
        try:
            with _places_are_waited_for():
                yield
        except Exception:
            if partial_id is None:
                self.resumables.finaliser.give_back(_turn())
            else:
                self.resumables.end_turn(partial_id, _turn())
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
        tus.check_named_method(request.headers.get, request.method)


@contextmanager
def _places_are_waited_for() -> Iterator[None]:
    """Refuse what finds no place in a way that clients of tus repeat."""
    try:
        yield
    except TooManyUploadsError as error:
        raise NoPlaceError(error.limit) from None


def _empty(status: int, headers: dict[str, str]) -> Response:
    return Untyped(status=status, headers=headers)


def _told(partial: Partial) -> dict[str, str]:
    """Return what was said of an upload when it was created."""
    told = {"Upload-Metadata": partial.metadata, "Upload-Concat": partial.concat}
    if partial.size is None:
        told["Upload-Defer-Length"] = "1"
    else:
        told["Upload-Length"] = str(partial.size)
    return {name: text for name, text in told.items() if text}


def _id(path: bytes) -> str:
    text = path.decode("latin-1").removeprefix(PREFIX)
    if not is_id(text):
        raise NotServableError("no-upload")
    return text


def _turn() -> str:
    return request.headers.get(REQUEST_ID_HEADER, "")


def _length() -> int:
    """Return the length of the body; raise LengthRequiredError if it says none.

    Nothing else would hold it to what the upload still lacks.
    """
    length = announced_length()
    if length is None:
        raise LengthRequiredError
    return length
