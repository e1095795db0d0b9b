"""Uploads by multipart forms: admits, parses and stores them.

nginx requests admission before it reads the body, spools the body, and passes on the
spool file's name; this module parses the spooled body.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from gateway.errors import (
    BadFormError,
    BucketBusyError,
    CatalogBusyError,
    RefusedError,
)
from gateway.http.explanations import BUSY, explain
from gateway.uploads.finalise import ReceivedFile
from gateway.uploads.multipart import ENVELOPE, FormReader
from gateway.uploads.upload_request import UploadRequest
from gateway.web import observation
from gateway.web.nginx.headers import announced_length, request_id, spooled_file
from gateway.web.outages import BUCKET_OUTAGES, OUTAGES

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
    """The stored files of a form, and the refused files by name."""

    stored: list[Upload]
    refused: list[tuple[str, Explanation]]

    def refuse(self, part: Part, explanation: Explanation) -> None:
        """Add a file that is not stored."""
        observation.note_refused_file()
        self.refused.append((part.name.text, explanation))


@dataclass(frozen=True)
class FormUploads:
    """Admits and stores forms with files."""

    database: Database
    admission: Admission
    finaliser: Finaliser
    store: BlobStore
    clock: Callable[[], float]

    def admit(self, identity: Identity) -> None:
        """Admit a form before its body is read, or raise the error that refuses it."""
        length = announced_length()
        now = int(self.clock())
        upload_request = UploadRequest(
            reservation=request_id(),
            # An estimate: the files' own size is known only after parsing.
            size=None if length is None else max(0, length - ENVELOPE),
            media_type=None,
            drop=identity.drop,
        )
        with self.database.write() as connection:
            self.admission.admit(connection, identity.user, upload_request, now=now)

    def release(self) -> None:
        """Release the reservation of the current request."""
        self.finaliser.release(request_id())

    def store_files(
        self,
        authenticate: Callable[[], Identity],
        field: str,
        check: Callable[[str], None],
    ) -> FormResult:
        """Store the form's files; read all of them before storing the first.

        *check* is called with the form's first *field* before any file is read, and
        raises an error if the field is wrong.  Raise BadFormError and other errors of
        ``FormReader`` for a malformed form, with nothing stored.
        """
        try:
            return self._store_files(
                authenticate(), FormReader(self.store, field), check
            )
        except Exception:
            self.release()
            raise

    def store_only_file(self, identity: Identity) -> Upload:
        """Store the one file of a program's form, which has no token field.

        The caller releases the reservation after an error.  Raise BadFormError and
        other errors of ``FormReader``, or an error of finalising.
        """
        reader = FormReader(self.store, None, maximum_files=1)
        with self._parts(reader, lambda _: None) as (part,):
            return self._store(identity, part)

    def _store_files(
        self, identity: Identity, reader: FormReader, check: Callable[[str], None]
    ) -> FormResult:
        result = FormResult([], [])
        with self._parts(reader, check) as parts:
            for number, part in enumerate(parts):
                try:
                    result.stored.append(self._store(identity, part))
                except RefusedError as error:
                    result.refuse(part, explain(error))
                except CatalogBusyError as error:
                    OUTAGES.log(error)
                    result.refuse(part, BUSY)
                except BucketBusyError as error:
                    BUCKET_OUTAGES.log(error)
                    # Each of the others could wait a minute for the bucket, and nginx
                    # does not wait as long.
                    for other in parts[number:]:
                        result.refuse(other, BUSY)
                    break
        if result.refused:
            # A file that was not recorded has not released it.
            self.release()
        return result

    @contextmanager
    def _parts(
        self, reader: FormReader, check: Callable[[str], None]
    ) -> Iterator[list[Part]]:
        body = spooled_file(self.store)
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
            reservation=request_id(),
            drop=identity.drop,
        )
        return self.finaliser.finalise(identity.user, received, now=int(self.clock()))
