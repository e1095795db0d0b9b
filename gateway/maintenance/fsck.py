"""Compare the catalog with the disk, in both directions, while the gateway serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from gateway.catalog import expiry, uploads
from gateway.errors import BucketBusyError
from gateway.maintenance import orphans
from gateway.storage import leftovers
from gateway.storage.trash import Trash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.storage.trash import Trashed

_PAGE: Final = 500
#: The subject of a wrong total; no user can have this name.
_EVERYBODY: Final = "all users"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An inconsistency: its kind, the upload, file or user, and a description."""

    kind: str
    subject: str
    detail: str
    is_repaired: bool = False


@dataclass
class Tally:
    """Counts of the checked data; ``unknown`` counts uploads without a digest yet."""

    uploads: int = 0
    bytes: int = 0
    digests: int = 0
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class Check:
    """Checks one store, its blobs and its catalog.

    With ``with_digests`` every blob is read and its digest compared.  With
    ``is_repairing`` counters are corrected, blobs that uploads name are restored from
    the trash, blobs that no upload names are moved to the trash or deleted in their
    bucket, and other files that the catalog does not name are deleted.  An upload whose
    content is lost or damaged is only reported: its owner must learn about it.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    with_digests: bool = False
    is_repairing: bool = False
    grace: int = orphans.GRACE
    tally: Tally = field(default_factory=Tally)

    def run(self, *, now: int) -> Iterator[Finding]:
        """Yield each finding as soon as it is found."""
        yield from self._uploads()
        yield from self._orphans(now)
        yield from self._session_files(now)
        yield from self._spool(now)
        yield from self._counters()

    def _uploads(self) -> Iterator[Finding]:
        after = ""
        while True:
            with self.database.read() as connection:
                page = expiry.page(connection, after=after, limit=_PAGE)
            if not page:
                return
            after = page[-1].id
            for upload in page:
                finding = self._upload(upload)
                if finding is not None and self._exists(upload):
                    yield finding

    def _upload(self, upload: Upload) -> Finding | None:
        self.tally.uploads += 1
        try:
            size = self.blobs.size(upload.blob)
            self.tally.bytes += size
            if size != upload.size:
                return Finding(
                    kind="blob-size",
                    subject=upload.id,
                    detail=f"{self.blobs.where(upload.blob)} has {size} bytes instead "
                    f"of {upload.size}",
                )
            return self._content(upload)
        except FileNotFoundError:
            return self._missing(upload)
        except (OSError, BucketBusyError) as error:
            return Finding(kind="blob-unreadable", subject=upload.id, detail=str(error))

    def _missing(self, upload: Upload) -> Finding:
        path = self.blobs.where(upload.blob)
        trashed = self._trashed.get(upload.blob)
        if trashed is None or trashed.size != upload.size:
            return Finding(
                kind="blob-missing", subject=upload.id, detail=f"{path} is missing"
            )
        return self._finding(
            "blob-in-trash",
            upload.id,
            f"{path} is missing, but it is in the trash: {trashed.path}",
            partial(Trash(self.store).put_back, trashed),
        )

    @cached_property
    def _trashed(self) -> dict[str, Trashed]:
        return Trash(self.store).by_blob() if self.blobs.has_trash else {}

    def _content(self, upload: Upload) -> Finding | None:
        if upload.sha256 is None:
            self.tally.unknown += 1
            return None
        if not self.with_digests:
            return None
        path = self.blobs.where(upload.blob)
        self.tally.digests += 1
        if self.blobs.sha256(upload.blob, is_stopped=bool) == upload.sha256:
            return None
        return Finding(
            kind="blob-digest", subject=upload.id, detail=f"{path} has changed content"
        )

    def _exists(self, upload: Upload) -> bool:
        with self.database.read() as connection:
            return uploads.by_id(connection, upload.id) is not None

    def _orphans(self, now: int) -> Iterator[Finding]:
        found = orphans.find_blobs(self.database, self.blobs, now=now, grace=self.grace)
        detail = "no upload names this blob"
        if not found.are_credible:
            detail += f"; {found.doubt}"
        for blob in (*found.blobs, *found.earlier):
            move = partial(orphans.retire, self.database, self.blobs, blob, now=now)
            yield self._finding(
                "blob-orphan", blob, detail, move if found.are_credible else None
            )

    def _session_files(self, now: int) -> Iterator[Finding]:
        for name in orphans.find_session_files(
            self.database, self.store, now=now, grace=self.grace
        ):
            yield self._finding(
                "partial-orphan",
                name,
                "no upload session has this file",
                partial((self.store.sessions / name).unlink, missing_ok=True),
            )

    def _spool(self, now: int) -> Iterator[Finding]:
        for path in leftovers.spool_files(self.store, now=now, grace=self.grace):
            yield self._finding(
                "spool-leftover",
                path.name,
                "no request writes to it",
                partial(path.unlink, missing_ok=True),
            )

    def _counters(self) -> Iterator[Finding]:
        with self.database.snapshot() as connection:
            counts = expiry.counts(connection)
            total = expiry.total(connection)
            by_drops = expiry.drop_counts(connection)
            recipients = expiry.recipient_counts(connection)
        pairs = [(count.name, count.recorded, count.actual) for count in counts]
        pairs.append((_EVERYBODY, total, sum(count.actual for count in counts)))
        pairs += [(f"drop link {drop_id}", *found) for drop_id, found in by_drops]
        wrong = [pair for pair in pairs if pair[1] != pair[2]]
        if (wrong or recipients) and self.is_repairing:
            with self.database.write() as connection:
                expiry.recount(connection)
        for name, recorded, actual in wrong:
            yield Finding(
                kind="stored-bytes",
                subject=name,
                detail=f"the counter says {recorded} bytes, the uploads have {actual}",
                is_repaired=self.is_repairing,
            )

        for recipient_id, taken, sent in recipients:
            yield Finding(
                kind="recipient-counts",
                subject=recipient_id,
                detail=f"the counters say {taken[0]} downloads and {sent[0]} bytes, "
                f"the bookings {taken[1]} and {sent[1]}",
                is_repaired=self.is_repairing,
            )

    def _finding(
        self, kind: str, subject: str, detail: str, repair: Callable[[], object] | None
    ) -> Finding:
        is_repaired = self.is_repairing and repair is not None
        if is_repaired and repair is not None:
            repair()
        return Finding(
            kind=kind, subject=subject, detail=detail, is_repaired=is_repaired
        )
