"""Uploads that signed URLs lead to: the facts that a verdict needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from gateway.catalog.schema import uploads, users
from gateway.catalog.verdict_queries import Lookup

if TYPE_CHECKING:
    from gateway.catalog.verdict_queries import Reader


@dataclass(frozen=True, kw_only=True)
class LinkedUpload:
    """The upload's path below the blobs' folder, its bytes, media type and owner."""

    blob: str
    size: int
    media_type: str
    is_owner_disabled: bool


class LinkedUploads:
    """Finds an upload by id with one query."""

    def __init__(self, reader: Reader) -> None:
        self._by_id = Lookup(
            reader,
            select(
                uploads.c.blob,
                uploads.c.size,
                uploads.c.media_type,
                users.c.is_disabled,
            )
            .join(users, users.c.id == uploads.c.owner_id)
            .where(uploads.c.id == bindparam("upload_id")),
        )

    def by_id(self, upload_id: str) -> LinkedUpload | None:
        """Return the upload with that id, or None."""
        row = self._by_id.first(upload_id)
        if row is None:
            return None
        blob, size, media_type, is_disabled = row
        return LinkedUpload(
            blob=blob,
            size=size,
            media_type=media_type,
            is_owner_disabled=bool(is_disabled),
        )
