"""A backup's folder, and the manifest that describes its content.

``manifest.json`` is replaced last, in one step: after an interrupted backup the folder
still contains the complete previous backup.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog.dump import Line
from gateway.errors import BackupError
from gateway.storage import copies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of a backup; ``created`` is in Unix seconds.

    ``gone`` are the ids of uploads whose rows were saved without a blob: the upload was
    deleted during the backup, or its blob was already missing in the store.  Without
    ``has_blobs`` the blobs stayed in their bucket.
    """

    format: int
    version: str
    schema: str
    created: int
    catalog: str
    sha256: str
    uploads: int
    bytes: int
    gone: tuple[str, ...]
    has_keys: bool
    has_secret: bool = False
    has_blobs: bool = True


@dataclass(frozen=True)
class Folder:
    """The folder of one backup."""

    root: Path

    @property
    def blobs(self) -> Path:
        """The copies of the blobs, named as in the store."""
        return self.root / "blobs"

    @property
    def keys(self) -> Path:
        """The copy of the key ring."""
        return self.root / "keys"

    @property
    def secret(self) -> Path:
        """The copy of the server secret."""
        return self.root / "secret"

    @property
    def _manifest(self) -> Path:
        return self.root / "manifest.json"

    def catalogs(self) -> list[Path]:
        """Return the paths of all catalog files; the manifest names one of them."""
        return list(self.root.glob("catalog-*.jsonl"))

    def catalog(self, manifest: Manifest) -> Path:
        """Return the path of the manifest's catalog; raise BackupError if damaged."""
        path = self.root / manifest.catalog
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BackupError(f"{path}: {error.strerror}") from None
        if digest != manifest.sha256:
            raise BackupError(f"{path} is damaged: it does not match the manifest")
        return path

    def is_fresh(self) -> bool:
        """Return whether the folder contains nothing but a backup, or is empty."""
        names = {entry.name for entry in self.root.iterdir()}
        return self._manifest.exists() or not {
            name
            for name in names - {"blobs", "keys", "secret"}
            if not name.startswith("catalog-") and not name.endswith(".part")
        }

    def read(self) -> Manifest:
        """Return the manifest; raise BackupError if it is missing or invalid."""
        try:
            fields = json.loads(self._manifest.read_bytes())
            manifest = Manifest(**{**fields, "gone": tuple(fields["gone"])})
        except FileNotFoundError:
            raise BackupError(f"{self.root} contains no finished backup") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BackupError(f"{self._manifest} can't be read: {error}") from None
        if manifest.format != FORMAT:
            raise BackupError(f"{self._manifest} has format {manifest.format}")
        if "/" in manifest.catalog:
            raise BackupError(f"{self._manifest} names a catalog in another folder")
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Write the manifest; from now on this backup is the folder's content."""
        text = json.dumps(asdict(manifest), indent=2) + "\n"
        copies.write(self._manifest, text.encode())


@contextmanager
def lines(catalog: Path) -> Iterator[Iterator[Line]]:
    """Yield an iterator over a catalog's rows, which raises BackupError if invalid."""

    def parsed() -> Iterator[Line]:
        for number, text in enumerate(file, 1):
            try:
                yield Line.parse(text)
            except (ValueError, TypeError) as error:
                raise BackupError(f"{catalog}:{number}: {error}") from None

    with catalog.open(encoding="utf-8") as file:
        yield parsed()
