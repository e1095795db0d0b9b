"""The limits of drop links.

A person with a drop link can use up the link's limits, but no more: drop links can use
at most half of the maker's quota and half of the maker's running uploads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.errors import DropOverError, OverQuotaError, TooManyUploadsError

if TYPE_CHECKING:
    from gateway.catalog.budgets import Taken
    from gateway.catalog.drops import Drop

#: Maximum number of running uploads of one drop link.
MAXIMUM_RUNNING: Final = 8
#: Maximum number of unfinished resumable uploads of one drop link.
MAXIMUM_SESSIONS: Final = 100


def check_quotas(taken: Taken, drop: Drop, *, size: int, quota: int) -> None:
    """Raise DropOverError or OverQuotaError if *drop* can't take *size* bytes more.

    *quota* is the maker's quota in bytes, 0 for no limit.
    """
    if drop.taken + taken.files >= drop.most_uploads:
        raise DropOverError(drop.id)
    if taken.bytes + size > drop.most_bytes:
        raise OverQuotaError(drop.most_bytes)
    if quota and taken.bytes_by_all + size > quota // 2:
        raise OverQuotaError(quota // 2)


def check_running(taken: Taken, running: int, *, is_session: bool) -> None:
    """Raise TooManyUploadsError if drop links have too many uploads or sessions.

    *running* is the maker's limit of running uploads, 0 for no limit.
    """
    if taken.running >= MAXIMUM_RUNNING:
        raise TooManyUploadsError(MAXIMUM_RUNNING)
    most = max(1, running // 2)
    if running and taken.running_by_all >= most:
        raise TooManyUploadsError(most)
    if is_session and taken.sessions >= MAXIMUM_SESSIONS:
        raise TooManyUploadsError(MAXIMUM_SESSIONS)
