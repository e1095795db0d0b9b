"""What strangers may take of a drop link, and drop links of what their maker has.

Anybody with the link can use it up, and nothing else: half of its maker's places and
quota stay the maker's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.errors import DropOverError, OverQuotaError, TooManyUploadsError

if TYPE_CHECKING:
    from gateway.catalog.budgets import Taken
    from gateway.catalog.drops import Drop

#: Uploads at a time by one drop link.
MAXIMUM_RUNNING: Final = 8
#: Unfinished resumable uploads of one drop link.
MAXIMUM_SESSIONS: Final = 100


def check_quotas(taken: Taken, drop: Drop, *, size: int, quota: int) -> None:
    """Raise DropOverError or OverQuotaError for one more file of *size* bytes.

    *quota* is the maker's in bytes, 0 for none.
    """
    if drop.taken + taken.files >= drop.most_uploads:
        raise DropOverError(drop.id)
    if taken.bytes + size > drop.most_bytes:
        raise OverQuotaError(drop.most_bytes)
    if quota and taken.bytes_by_all + size > quota // 2:
        raise OverQuotaError(quota // 2)


def check_running(taken: Taken, running: int, *, is_session: bool) -> None:
    """Raise TooManyUploadsError if no more may run, or be begun and not finished.

    *running* is how many uploads the maker may have at a time, 0 for any number.
    """
    if taken.running >= MAXIMUM_RUNNING:
        raise TooManyUploadsError(MAXIMUM_RUNNING)
    most = max(1, running // 2)
    if running and taken.running_by_all >= most:
        raise TooManyUploadsError(most)
    if is_session and taken.sessions >= MAXIMUM_SESSIONS:
        raise TooManyUploadsError(MAXIMUM_SESSIONS)
