"""The id of the blobs' place, which its catalog records: it belongs to one catalog.

A new id is first *proposed* in a file of its own, and *confirmed* once the catalog has
recorded it: a crash in between leaves a proposal that the catalog does not know, which
means nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from pathlib import Path

#: The names of the files with the id and with a proposal.
FILE: Final = "store-id"
PROPOSAL: Final = "store-id.new"


class BlobsId(Protocol):
    """The id of a store or bucket.

    Methods raise BucketBusyError if a bucket does not answer.
    """

    @property
    def variable(self) -> str:
        """The setting that names the place."""

    @property
    def place(self) -> str:
        """The path or URL of the place."""

    @property
    def file(self) -> str:
        """The path or URL of the file with the id, which is copied with the blobs."""

    def confirmed(self) -> str:
        """Return the id, or an empty text if the place has none."""

    def proposed(self) -> str:
        """Return the id that was proposed last and not confirmed, or an empty text."""

    def age(self, *, now: int) -> float:
        """Return the seconds since the id was confirmed; FileNotFoundError if never."""

    def propose(self, new: str) -> None:
        """Write *new* durably as a proposal, which replaces an earlier proposal."""

    def confirm(self) -> None:
        """Make the proposal the id, durably; another gateway may be first."""


@dataclass(frozen=True)
class StoreId:
    """The id of the store at ``root``; see BlobsId."""

    root: Path

    @property
    def variable(self) -> str:
        """The setting that names the store."""
        return "GATEWAY_STORE"

    @property
    def place(self) -> str:
        """The path of the store."""
        return str(self.root)

    @property
    def file(self) -> str:
        """The path of the file that contains the id."""
        return str(self.root / FILE)

    def confirmed(self) -> str:
        """Return the id, or an empty text if the store has none."""
        return _text(self.root / FILE)

    def proposed(self) -> str:
        """Return the id that was proposed last and not confirmed, or an empty text."""
        return _text(self._proposal)

    def age(self, *, now: int) -> float:
        """Return the seconds since the id was confirmed; FileNotFoundError if never."""
        return now - (self.root / FILE).stat().st_mtime

    def propose(self, new: str) -> None:
        """Write *new* durably as a proposal, which replaces an earlier proposal."""
        owner = Owner.in_folder(self.root)
        copies.write(self._proposal, f"{new}\n".encode("ascii"), owner=owner)

    def confirm(self) -> None:
        """Make the proposal the store's id, durably; another gateway may be first."""
        with suppress(FileNotFoundError):
            self._proposal.rename(self.root / FILE)
        copies.sync(self.root)

    @property
    def _proposal(self) -> Path:
        return self.root / PROPOSAL


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
