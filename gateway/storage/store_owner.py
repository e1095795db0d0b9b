"""The gateway that a store belongs to while the blobs are in a bucket.

Such a store has what only its own gateway can finish: unfinished uploads, bodies that
are arriving, and the ledger.  A gateway of another catalog would delete the unfinished
uploads, for which its catalog has no rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from pathlib import Path

#: The name of the file with the owner.
#: (!) Not ``store-id``: that one says that the store has the blobs of its catalog.
FILE: Final = "store-owner"


@dataclass(frozen=True)
class StoreOwner:
    """The gateway named ``gateway``, of the catalog that has recorded ``catalog``."""

    catalog: str
    gateway: str

    @classmethod
    def of(cls, root: Path) -> Self | None:
        """Return the owner of the store at *root*, or None if it has none."""
        try:
            catalog, _, gateway = (root / FILE).read_text("ascii").partition(" ")
        except FileNotFoundError:
            return None
        return cls(catalog.strip(), gateway.strip())

    def claim(self, root: Path) -> StoreOwner:
        """Record this owner durably if the store has none; return the store's owner.

        Another gateway may do the same at the same time: only one of them is recorded.
        """
        found = StoreOwner.of(root)
        if found is not None:
            return found
        new = root / f"{FILE}.{self.gateway}"
        self._write(new)
        try:
            (root / FILE).hardlink_to(new)
        except FileExistsError:
            return StoreOwner.of(root) or self
        finally:
            new.unlink()
        copies.sync(root)
        return self

    def replace(self, root: Path) -> None:
        """Record this owner durably in place of another one."""
        self._write(root / FILE)

    def _write(self, file: Path) -> None:
        content = f"{self.catalog} {self.gateway}\n".encode("ascii")
        copies.write(file, content, owner=Owner.in_folder(file.parent))
