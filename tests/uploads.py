"""What stores uploads, for tests without an application."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gateway.config.assets import asset
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.media_types import MediaTypes
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.finalise import Finaliser
from gateway.uploads.finalise_slots import FinaliseSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.storage.blobs import Blobs, BlobStore

NO_LIMITS: Final = UploadLimits(size=0, quota=0, user_quota=0, free_space=0, running=0)


def new_finaliser(
    database: Database,
    store: BlobStore,
    *,
    blobs: Blobs | None = None,
    limits: UploadLimits = NO_LIMITS,
    clock: Callable[[], float] = time.time,
) -> Finaliser:
    """Return a finaliser of uploads into *blobs*, by default those of *store*."""
    return Finaliser(
        database,
        store,
        blobs or DiskBlobs(store),
        Admission(store, limits),
        MediaTypes.read(asset("nginx/snippets/media_types.conf")),
        FinaliseSlots(8),
        clock,
    )
