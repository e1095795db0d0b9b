"""An upload and a drop link as JSON: what API and commands print.

Times are Unix seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from gateway.catalog.drops import State

if TYPE_CHECKING:
    from typing import Self

    from gateway.catalog.drops import Drop
    from gateway.catalog.uploads import Upload

_FROZEN: Final = ConfigDict(frozen=True, use_attribute_docstrings=True)


class UploadReceipt(BaseModel):
    """What a sender who used a drop link learns of the stored file."""

    model_config = _FROZEN

    name: str
    size: int
    """Bytes."""
    type: str
    """The media type, by which the file is delivered."""

    @classmethod
    def of(cls, upload: Upload) -> UploadReceipt:
        """Return the receipt of *upload*."""
        return cls(name=upload.name, size=upload.size, type=upload.media_type)


class UploadDescription(BaseModel):
    """An upload, as its owner sees it."""

    model_config = _FROZEN

    id: str
    owner: str
    """The name of the upload's owner."""
    name: str
    size: int
    """Bytes."""
    type: str
    """The media type with which the file is delivered."""
    created: int
    drop: str | None
    """The id of the drop link that the file was uploaded to, or null."""
    url: str
    """The URL path of the file, for its owner."""

    @classmethod
    def of(cls, upload: Upload, owner: str, *, path_prefix: str) -> Self:
        """Return the description of *upload*; *owner* is the name of its owner."""
        return cls(
            id=upload.id,
            owner=owner,
            name=upload.name,
            size=upload.size,
            type=upload.media_type,
            created=upload.created,
            drop=upload.drop_id,
            url=path_prefix + upload_path(upload.id, upload.name),
        )


class DropDescription(BaseModel):
    """A drop link, as its maker sees it."""

    model_config = _FROZEN

    id: str
    owner: str
    """The name of the user who created the drop link and owns the files."""
    url: str | None
    """The drop link; null if it can no longer be opened."""
    title: str
    state: State
    max_uploads: int | None
    """Maximum number of files in total; null means the default, 1000."""
    taken: int
    """The number of uploaded files, including deleted files."""
    max_size: int | None
    """Maximum size of a file, in bytes; null means no limit."""
    max_total: int | None
    """Maximum size of all stored files, in bytes; null means the default, 100 GiB."""
    stored_bytes: int
    """The current size of all stored files, in bytes."""
    types: list[str]
    """The accepted media types, such as `image/*`; empty means all types."""
    created: int
    expires: int | None
    """When the drop link expires; null means never."""
    revoked: int | None

    @classmethod
    def of(cls, drop: Drop, *, owner: str, url: str | None, now: int) -> Self:
        """Return the description of *drop*; *owner* is the name of its maker."""
        return cls(
            id=drop.id,
            owner=owner,
            url=url,
            title=drop.title,
            state=drop.state(now=now),
            max_uploads=drop.max_uploads,
            taken=drop.taken,
            max_size=drop.max_size,
            max_total=drop.max_total,
            stored_bytes=drop.stored_bytes,
            types=list(drop.types),
            created=drop.created,
            expires=drop.expires,
            revoked=drop.revoked,
        )


def upload_path(upload_id: str, name: str) -> str:
    """Return the path of an upload, for its owner, without the path prefix."""
    return f"/files/{upload_id}/{quote(name, safe='')}"
