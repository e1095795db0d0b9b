"""The files that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.storage.files import CombinedFiles
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from gateway.storage.bucket_server import BucketServer
    from gateway.storage.files import Files
    from gateway.storage.places import Place, Places


def served_files(
    places: Places, server: BucketServer | None, private: Path | None = None
) -> Files:
    """Return the files in *places*; those in buckets are on *server*.

    *private* is the gateway's own folder, from which nothing is served.  Raise
    SettingsError if the package for buckets is not installed.
    """
    names = {root: name for name, root in places.folders.items()}

    def tree(place: Place) -> Files:
        if isinstance(place.root, Path):
            return FilesTree(place.root, private, names[place.root])
        # Imported here, since most gateways have no bucket and not its library.
        from gateway.storage.bucket import Bucket  # noqa: PLC0415
        from gateway.storage.bucket_tree import BucketTree  # noqa: PLC0415

        if server is None:
            raise ValueError("no server for the bucket")
        return BucketTree(Bucket.open(place.root, server))

    trees = [(place.prefix, tree(place)) for place in places.by_length]
    is_only = len(trees) == 1 and not trees[0][0]
    return trees[0][1] if is_only else CombinedFiles(trees)
