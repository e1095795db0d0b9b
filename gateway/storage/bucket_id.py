"""The id of a bucket with blobs, in objects beside them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obstore

from gateway.storage.store_id import FILE, PROPOSAL

if TYPE_CHECKING:
    from gateway.storage.bucket import Bucket


@dataclass(frozen=True)
class BucketId:
    """The id of the blobs in ``bucket``; see ``store_id.BlobsId``."""

    bucket: Bucket

    @property
    def variable(self) -> str:
        """The setting that names the bucket."""
        return "GATEWAY_BLOBS"

    @property
    def place(self) -> str:
        """The URL of the bucket, with the prefix."""
        return str(self.bucket.url)

    @property
    def file(self) -> str:
        """The URL of the object that contains the id."""
        return f"s3://{self.bucket.url.bucket}/{self._key(FILE)}"

    def confirmed(self) -> str:
        """Return the id, or an empty text if the bucket has none."""
        return self._text(FILE)

    def proposed(self) -> str:
        """Return the id that was proposed last and not confirmed, or an empty text."""
        return self._text(PROPOSAL)

    def age(self, *, now: int) -> float:
        """Return the seconds since the id was confirmed; FileNotFoundError if never."""
        with self.bucket.answering(may_be_missing=True):
            found = obstore.head(self.bucket.store, self._key(FILE))
        return now - found["last_modified"].timestamp()

    def propose(self, new: str) -> None:
        """Write *new* as a proposal, which replaces an earlier proposal."""
        with self.bucket.answering():
            obstore.put(
                self.bucket.store, self._key(PROPOSAL), f"{new}\n".encode("ascii")
            )

    def confirm(self) -> None:
        """Make the proposal the bucket's id; another gateway may be first."""
        with (
            suppress(FileNotFoundError),
            self.bucket.answering(may_be_missing=True),
        ):
            obstore.copy(self.bucket.store, self._key(PROPOSAL), self._key(FILE))
            obstore.delete(self.bucket.store, self._key(PROPOSAL))

    def _text(self, name: str) -> str:
        try:
            with self.bucket.answering(may_be_missing=True):
                found = obstore.get(self.bucket.store, self._key(name)).bytes()
        except FileNotFoundError:
            return ""
        return bytes(found).decode("ascii", "replace").strip()

    def _key(self, name: str) -> str:
        return self.bucket.url.prefix + name
