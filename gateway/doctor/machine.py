"""What the checks on the gateway's own machine know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.catalog.database import Database
from gateway.storage.blobs import BlobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gateway.config.settings import Settings

#: Seconds that a check waits for a database server.
_SILENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The gateway's settings, and where they come from.

    ``faults`` are those of invalid settings, which ``settings`` lack; ``warnings`` name
    misspelt variables.  ``sources`` maps fields to the files that contain their values.
    ``clock`` returns Unix seconds.
    """

    settings: Settings
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: Mapping[str, Path]
    clock: Callable[[], float]

    @property
    def store(self) -> BlobStore:
        """The store."""
        root = self.settings.store or self.settings.data / "store"
        id_file = self.settings.data / "id"
        own_id = id_file.read_text("ascii") if id_file.is_file() else ""
        return BlobStore(root, self.settings.replica or own_id)

    @property
    def database(self) -> Database:
        """The catalog, which may not exist."""
        return Database.open(self.settings.database, silence=_SILENCE)

    @property
    def has_catalog(self) -> bool:
        """Whether the catalog's file exists; True for a database server."""
        file = self.settings.catalog_file
        return file is None or file.is_file()
