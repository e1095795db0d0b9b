"""Forms with files: admitted by their length, taken apart, and stored.

nginx asks for admission before it reads the body, spools the body, and passes
its file's name on; here it is taken apart.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from gateway.errors import BadFormError, CatalogBusyError, RefusedError
from gateway.http.explanations import BUSY, explain
from gateway.uploads.finalise import ReceivedFile
from gateway.uploads.multipart import ENVELOPE, FormReader
from gateway.uploads.upload_request import UploadRequest
from gateway.web.catalog_outages import OUTAGES
from gateway.web.nginx.headers import SPOOL_HEADER, announced_length
from gateway.web.problems import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.http.explanations import Explanation
    from gateway.storage.blobs import BlobStore
    from gateway.uploads.admission import Admission
    from gateway.uploads.finalise import Finaliser
    from gateway.uploads.multipart import Part
    from gateway.web.auth.identity import Identity


@dataclass(frozen=True)
class FormResult:
    """What has become of a form's files, by their names."""

    stored: list[Upload]
    refused: list[tuple[str, Explanation]]


@dataclass(frozen=True)
class FormUploads:
    """Takes forms with files in."""

    database: Database
    admission: Admission
    finaliser: Finaliser
    store: BlobStore
    clock: Callable[[], float]

    def admit(self, identity: Identity) -> None:
        """Let a form come, or raise why not."""
        length = announced_length()
        now = int(self.clock())
        upload_request = UploadRequest(
            reservation=_reservation(),
            # What the files alone have, only the end shows.
            size=None if length is None else max(0, length - ENVELOPE),
            media_type=None,
            drop=identity.drop,
        )
        with self.database.write() as connection:
            self.admission.admit(connection, identity.user, upload_request, now=now)

    def release(self) -> None:
        """Count the room of the request's form no longer."""
        self.finaliser.release(_reservation())

    def store_files(
        self,
        who: Callable[[], Identity],
        field: str,
        check: Callable[[str], None],
    ) -> FormResult:
        """Store the form's files; all of them are read before the first is stored.

        *check* gets the form's first *field*, before any file is looked at, and
        raises what is to be raised.  Raise BadFormError and the like for a form
        that can't be read, with nothing stored.
        """
        try:
            return self._store_files(who(), FormReader(self.store, field), check)
        except Exception:
            self.release()
            raise

    def store_only_file(self, identity: Identity) -> Upload:
        """Store the one file of a program's form, whose token came in a header.

        Raise why not, and leave its room to the caller: BadFormError and the like, or
        what PUT raises for the file.
        """
        reader = FormReader(self.store, None, maximum_files=1)
        with self._parts(reader, lambda _: None) as (part,):
            return self._store(identity, part)

    def _store_files(
        self, identity: Identity, reader: FormReader, check: Callable[[str], None]
    ) -> FormResult:
        result = FormResult([], [])
        with self._parts(reader, check) as parts:
            for part in parts:
                try:
                    result.stored.append(self._store(identity, part))
                except RefusedError as error:
                    result.refused.append((part.name.text, explain(error)))
                except CatalogBusyError as error:
                    OUTAGES.log(error)
                    result.refused.append((part.name.text, BUSY))
        return result

    @contextmanager
    def _parts(
        self, reader: FormReader, check: Callable[[str], None]
    ) -> Iterator[list[Part]]:
        body = self.store.spooled_file(request.headers.get(SPOOL_HEADER, ""))
        if body is None:
            raise BadFormError("no-body")
        content_type = request.headers.get("Content-Type", "")
        with (
            self.finaliser.slots.hold(body.stat().st_size),
            reader.files(body, content_type, check) as parts,
        ):
            yield parts

    def _store(self, identity: Identity, part: Part) -> Upload:
        received = ReceivedFile(
            source=part.path,
            name=part.name,
            reservation=_reservation(),
            drop=identity.drop,
        )
        return self.finaliser.finalise(identity.user, received, now=int(self.clock()))


def _reservation() -> str:
    return request.headers.get(REQUEST_ID_HEADER, "")
