"""The id of a store, which its catalog records: each store belongs to one catalog.

A new id is first *proposed* in a file of its own, and *confirmed* once the catalog has
recorded it: a crash in between leaves a proposal that the catalog does not know, which
means nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "store-id"
_PROPOSAL: Final = "store-id.new"


@dataclass(frozen=True)
class StoreId:
    """The id of the store at ``root``."""

    root: Path

    @property
    def file(self) -> Path:
        """The file that contains the id; whoever copies the store copies it, too."""
        return self.root / _FILE

    def confirmed(self) -> str:
        """Return the id, or an empty text if the store has none."""
        return _text(self.file)

    def proposed(self) -> str:
        """Return the id that was proposed last and not confirmed, or an empty text."""
        return _text(self._proposal)

    def propose(self, new: str) -> None:
        """Write *new* durably as a proposal, which replaces an earlier proposal."""
        owner = Owner.in_folder(self.root)
        copies.write(self._proposal, f"{new}\n".encode("ascii"), owner=owner)

    def confirm(self) -> None:
        """Make the proposal the store's id, durably; another gateway may be first."""
        with suppress(FileNotFoundError):
            self._proposal.rename(self.file)
        copies.sync(self.root)

    @property
    def _proposal(self) -> Path:
        return self.root / _PROPOSAL


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
