"""What is known of an upload before it comes, and how long room is kept for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop

#: Seconds that the bytes of an upload stay reserved at least, unless they are given
#: back: a killed nginx says nothing.
RESERVED_SECONDS: Final = 600
#: Bytes a second that a reservation waits for: what comes later is admitted anew.
SLOWEST: Final = 16 * 2**10


@dataclass(frozen=True, kw_only=True)
class UploadRequest:
    """What is known of an upload before it comes.

    ``reservation`` is the id that its room is reserved under, ``size`` its bytes or
    None for a body without a length; ``media_type`` None is told by its end.
    ``expires`` (Unix seconds) is the end of a resumable upload, None for a single
    body.  ``here`` bytes need no room on the disk: they are there, or the upload was
    admitted before.
    """

    reservation: str
    size: int | None
    media_type: str | None
    expires: int | None = None
    drop: Drop | None = None
    bytes_on_disk: int = 0


def reserved_until(size: int, *, now: int) -> int:
    """Return until when room is kept for *size* bytes that begin to come now."""
    return now + max(RESERVED_SECONDS, size // SLOWEST)
