"""The request for an upload, and the time for which its space is reserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop

#: Minimum seconds that an upload's bytes stay reserved unless they are released: a
#: killed nginx never causes their release.
RESERVED_SECONDS: Final = 600
#: Bytes per second that a reservation allows for; a slower chunk is admitted again.
SLOWEST: Final = 16 * 2**10


@dataclass(frozen=True, kw_only=True)
class UploadRequest:
    """An upload as the client announces it, before its body is read.

    ``reservation`` is the id of its reservation.  ``size`` is in bytes, None for a
    body without a length; ``media_type`` is None if only the finished file shows it.
    ``expires`` (Unix seconds) is when the upload session expires, None for a single
    request.  ``bytes_on_disk`` need no free disk space: they are already written, or
    an earlier admission has checked them.
    """

    reservation: str
    size: int | None
    media_type: str | None
    expires: int | None = None
    drop: Drop | None = None
    bytes_on_disk: int = 0


def reserved_until(size: int, *, now: int) -> int:
    """Return the Unix second until which an upload of *size* bytes stays reserved."""
    return now + max(RESERVED_SECONDS, size // SLOWEST)
