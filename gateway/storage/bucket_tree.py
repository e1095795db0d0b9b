"""Files in a bucket: the objects below one prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import obstore

from gateway.errors import NotServableError
from gateway.storage.files import FoundFile, ServedFile
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.storage.bucket import Bucket

#: The longest key of an object, in bytes.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAXIMUM_KEY: Final = 1024
#: How many keys ``below`` examines per object of its limit.
_KEYS_PER_FILE: Final = 10


@dataclass(frozen=True)
class BucketTree:
    """The objects in ``bucket``, below its prefix; see ``files.Files``."""

    bucket: Bucket

    def serve(self, path: FilePath) -> ServedFile:
        """Return the URLs by which nginx finds the object at *path*.

        Raise BucketBusyError if the provider gives no credentials.
        """
        return ServedFile(path.name, self.bucket.content(self._key(path)))

    def locate(self, path: FilePath) -> FoundFile:
        """Return the object at *path*; see ``files.Files``."""
        try:
            with self.bucket.answering(may_be_missing=True):
                size = obstore.head(self.bucket.store, self._key(path))["size"]
        except FileNotFoundError:
            raise NotServableError("missing") from None
        return FoundFile(path, size)

    def is_folder(self, path: FilePath) -> bool:
        """Return whether there are objects below *path*."""
        return any(True for _ in self.bucket.list(f"{self._key(path)}/", most=1))

    def below(self, folder: FilePath, *, most: int) -> list[FoundFile]:
        """Return at most *most* objects below *folder*, by key.

        The search gives up after a number of keys, as in a folder.
        """
        start = len(self.bucket.url.prefix)
        prefix = f"{self._key(folder)}/" if folder.text else self.bucket.url.prefix
        found: list[FoundFile] = []
        for each in self.bucket.list(prefix, most=_KEYS_PER_FILE * most):
            if len(found) == most:
                break
            try:
                found.append(FoundFile(FilePath.parse(each.key[start:]), each.size))
            except NotServableError:  # hidden, or the marker of a folder
                continue
        return found

    def read(self, path: FilePath) -> Iterator[bytes]:
        """Return the bytes of an object in chunks; see ``files.Files``."""
        try:
            with self.bucket.answering(may_be_missing=True):
                stream = obstore.get(self.bucket.transfers, self._key(path)).stream()
                yield from map(bytes, stream)
        except FileNotFoundError:
            raise NotServableError("missing") from None

    def is_readable(self) -> bool:
        """Return True if the bucket may be listed; else raise BucketBusyError."""
        self.bucket.check_listing()
        return True

    def _key(self, path: FilePath) -> str:
        key = self.bucket.url.prefix + path.text
        if len(key.encode()) > _MAXIMUM_KEY:
            raise NotServableError("too-long")
        return key
