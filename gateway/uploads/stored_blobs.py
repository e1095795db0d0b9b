"""The blobs that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.storage.disk_blobs import DiskBlobs

if TYPE_CHECKING:
    from gateway.storage.blobs import BlobStore
    from gateway.storage.bucket_blobs import BucketBlobs
    from gateway.storage.bucket_server import BucketServer
    from gateway.storage.places import BucketURL


def stored_blobs(
    store: BlobStore, url: BucketURL | None, server: BucketServer | None
) -> DiskBlobs | BucketBlobs:
    """Return the blobs below *url* on *server*, or without a URL those in *store*.

    Raise SettingsError if the package for buckets is not installed.
    """
    if url is None or server is None:
        return DiskBlobs(store)
    # Imported here, since most gateways have no bucket and not its library.
    from gateway.storage.bucket import Bucket  # noqa: PLC0415
    from gateway.storage.bucket_blobs import BucketBlobs  # noqa: PLC0415

    return BucketBlobs(Bucket.open(url, server))
