"""A backup's folder, and the manifest that says what is in it.

``manifest.json`` is written last, in one step: a folder whose backup broke off
still holds the one before, whole.
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
    """What a backup holds; ``created`` in Unix seconds.

    ``gone`` are the ids of uploads whose rows are there and whose blobs are
    not: deleted while the backup was made, or missing in the store already.
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
        """Return every catalog in it; one of them is the manifest's."""
        return list(self.root.glob("catalog-*.jsonl"))

    def catalog(self, manifest: Manifest) -> Path:
        """Return the manifest's catalog; raise BackupError if it is damaged."""
        path = self.root / manifest.catalog
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BackupError(f"{path}: {error.strerror}") from None
        if found != manifest.sha256:
            raise BackupError(f"{path} is damaged: it does not fit the manifest")
        return path

    def is_fresh(self) -> bool:
        """Tell whether there is nothing in it that is no backup's."""
        names = {entry.name for entry in self.root.iterdir()}
        return self._manifest.exists() or not {
            name
            for name in names - {"blobs", "keys", "secret"}
            if not name.startswith("catalog-") and not name.endswith(".part")
        }

    def read(self) -> Manifest:
        """Read the manifest; raise BackupError if there is none that is known."""
        try:
            found = json.loads(self._manifest.read_bytes())
            manifest = Manifest(**{**found, "gone": tuple(found["gone"])})
        except FileNotFoundError:
            raise BackupError(f"{self.root} holds no finished backup") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BackupError(f"{self._manifest} can't be read: {error}") from None
        if manifest.format != FORMAT:
            raise BackupError(f"{self._manifest} has format {manifest.format}")
        if "/" in manifest.catalog:
            raise BackupError(f"{self._manifest} names a catalog elsewhere")
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the backup the folder's."""
        text = json.dumps(asdict(manifest), indent=2) + "\n"
        copies.write(self._manifest, text.encode())


@contextmanager
def lines(catalog: Path) -> Iterator[Iterator[Line]]:
    """Give a catalog's rows; raise BackupError for a line that is none."""

    def parsed() -> Iterator[Line]:
        for number, text in enumerate(file, 1):
            try:
                yield Line.parse(text)
            except (ValueError, TypeError) as error:
                raise BackupError(f"{catalog}:{number}: {error}") from None

    with catalog.open(encoding="utf-8") as file:
        yield parsed()
