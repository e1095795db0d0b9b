"""The files: existing files in folders and buckets, each below a path prefix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from gateway.errors import NotServableError
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.storage.content import Content


@dataclass(frozen=True)
class FoundFile:
    """An existing file: its path without symlinks, and its size in bytes."""

    path: FilePath
    size: int


@dataclass(frozen=True)
class ServedFile:
    """A file for nginx to send; ``name``, without symlinks, has the media type."""

    name: str
    content: Content


class Files(Protocol):
    """Existing files, in a folder, in a bucket, or in several of both.

    ``serve`` does not wait for a bucket, except when temporary credentials have less
    than five minutes left and are renewed.  All methods raise BucketBusyError if a
    bucket's server does not answer.
    """

    def serve(self, path: FilePath) -> ServedFile:
        """Return where nginx finds a file.

        Raise NotServableError for a path that is not served.  Whether an object exists
        is not known before nginx asks for it.
        """

    def locate(self, path: FilePath) -> FoundFile:
        """Return an existing file; raise NotServableError if it is not served."""

    def is_folder(self, path: FilePath) -> bool:
        """Return whether *path* is a folder; raise NotServableError if not served."""

    def below(self, folder: FilePath, *, most: int) -> list[FoundFile]:
        """Return at most *most* files in *folder* and its subfolders, by path.

        The path of *folder* is empty for all files.
        """

    def read(self, path: FilePath) -> Iterator[bytes]:
        """Return the bytes of a file in chunks; raise the errors of ``locate``.

        For development without nginx only.
        """

    def is_readable(self) -> bool:
        """Return whether the folder or bucket can be read."""


@dataclass(frozen=True)
class CombinedFiles:
    """All places: the one with the longest prefix that a path begins with has its file.

    ``places`` are pairs of a prefix, which is empty or ends with ``/``, and its files,
    those with the longest prefix first.
    """

    places: Sequence[tuple[str, Files]]

    def serve(self, path: FilePath) -> ServedFile:
        """Return where nginx finds a file; see Files."""
        prefix, tree = self._place(path.text)
        return tree.serve(_inner(path, prefix))

    def locate(self, path: FilePath) -> FoundFile:
        """Return an existing file; see Files."""
        prefix, tree = self._place(path.text)
        return _outer(tree.locate(_inner(path, prefix)), prefix)

    def is_folder(self, path: FilePath) -> bool:
        """Return whether *path* is a folder, or one of the prefixes; see Files."""
        text = f"{path.text}/"
        if any(prefix.startswith(text) for prefix, _ in self.places):
            return True
        try:
            prefix, tree = self._place(path.text)
        except NotServableError:
            return False
        return tree.is_folder(_inner(path, prefix))

    def below(self, folder: FilePath, *, most: int) -> list[FoundFile]:
        """Return at most *most* files in *folder* and its subfolders; see Files."""
        text = f"{folder.text}/" if folder.text else ""
        found = chain.from_iterable(
            self._below(text, prefix, tree, most) for prefix, tree in self.places
        )
        return sorted(found, key=lambda file: file.path.text)[:most]

    def read(self, path: FilePath) -> Iterator[bytes]:
        """Return the bytes of a file in chunks; see Files."""
        prefix, tree = self._place(path.text)
        return tree.read(_inner(path, prefix))

    def is_readable(self) -> bool:
        """Return whether all folders and buckets can be read."""
        return all(tree.is_readable() for _, tree in self.places)

    def _place(self, path: str) -> tuple[str, Files]:
        for place in self.places:
            if path.startswith(place[0]):
                return place
        raise NotServableError("missing")

    def _below(
        self, text: str, prefix: str, tree: Files, most: int
    ) -> Iterator[FoundFile]:
        """Yield the files of one place that are below the folder *text*."""
        if prefix.startswith(text):
            inner = ""
        elif text.startswith(prefix):
            inner = text[len(prefix) : -1]
        else:
            return
        for file in tree.below(FilePath(inner), most=most):
            outer = _outer(file, prefix)
            # A place with a longer prefix hides it.
            if self._place(outer.path.text)[0] == prefix:
                yield outer


def _inner(path: FilePath, prefix: str) -> FilePath:
    return FilePath(path.text[len(prefix) :]) if prefix else path


def _outer(file: FoundFile, prefix: str) -> FoundFile:
    if not prefix:
        return file
    return FoundFile(FilePath(prefix + file.path.text), file.size)
