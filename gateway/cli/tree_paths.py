"""Paths of files as users type them, and warnings about links to them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from gateway.config.address import recorded_files
from gateway.delivery.served_files import served_files
from gateway.errors import BucketBusyError, NotServableError
from gateway.ownership import Owner
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.storage.bucket_server import BucketServer
    from gateway.storage.files import Files
    from gateway.storage.places import Places

_NOTHING: Final = "nothing is served there yet ({fact})"
_WARNINGS: Final = {
    "not-a-file": "is not a file; --folder makes a link to the files in it",
    "outside": "leads out of the files folder and is not served",
    "private": "leads into the gateway's data folder and is not served",
    "dot-segment-or-hidden": "leads to a hidden file and is not served",
}


@dataclass(frozen=True)
class TypedPaths:
    """The places of the files, or None if they are unknown, and the data folder.

    If GATEWAY_FILES is not set, ``places`` are those that were served last.
    """

    places: Places | None
    server: BucketServer | None
    data: Path

    @classmethod
    def of(cls, current: Settings) -> Self:
        """Return the places of the settings."""
        places = current.files or recorded_files(current.data)
        return cls(places, current.bucket_server, current.data)

    def files(self) -> Files | None:
        """Return the files, or None if their places are unknown."""
        if self.places is None:
            return None
        return served_files(self.places, self.server, self.data)

    def relative(self, typed: str) -> str:
        """Return the path to sign: relative to the files, and empty for ``.``.

        Raise click.UsageError for an absolute path that is in none of the folders.
        """
        if typed.startswith("/"):
            typed = self._inside(Path(typed))
        segments = [segment for segment in typed.split("/") if segment != "."]
        return "/".join(segments).removesuffix("/")

    def warning(self, path: str, *, is_folder: bool) -> str | None:
        """Return why a link to *path* may not work, or None."""
        try:
            plain = FilePath.parse(path) if path else None
        except NotServableError as error:
            return f"no file is ever served at such a path ({error.fact})"
        files = self.files()
        if files is None or plain is None:
            return None
        try:
            return self._looked_up(files, plain, is_folder=is_folder)
        except NotServableError as error:
            return self._not_served(path, error)
        except BucketBusyError as error:
            return f"could not be looked up: {error}"

    def _looked_up(
        self, files: Files, path: FilePath, *, is_folder: bool
    ) -> str | None:
        if is_folder and files.is_folder(path):
            return None
        found = files.locate(path)
        if is_folder:
            return "is a file; --folder needs a folder"
        return self._unreadable(found.path.text)

    def _not_served(self, path: str, error: NotServableError) -> str:
        text = _WARNINGS.get(error.fact, _NOTHING).format(fact=error.fact)
        similar = self._equivalent(path) if error.fact == "missing" else None
        return text if similar is None else f"{text}; there is {_in_shell(similar)}"

    def _inside(self, path: Path) -> str:
        if self.places is None:
            raise click.UsageError(
                f"{path} is absolute, but GATEWAY_FILES is not set: give a path "
                "relative to the files folder"
            )
        for place in self.places.by_length:
            if isinstance(place.root, Path):
                for root in (place.root, place.root.resolve()):
                    if path.is_relative_to(root):
                        return f"{place.prefix}{path.relative_to(root)}"
        raise click.UsageError(f"{path} is not in the files folder, {self.places}")

    def _unreadable(self, path: str) -> str | None:
        """Return a warning if the data folder's owner can't read the file, or None."""
        file = self.places.on_disk(path) if self.places else None
        if file is None or not self.data.is_dir():
            return None
        owner = Owner.of(self.data)
        if owner.can_read(file):
            return None
        return f"can't be read by the user {owner.name}, which runs the gateway"

    def _equivalent(self, path: str) -> str | None:
        """Return an existing path that equals *path* after Unicode normalization."""
        found = ""
        for segment in path.split("/"):
            folder = self.places.on_disk(found) if self.places else None
            try:
                names = os.listdir(folder) if folder else []  # noqa: PTH208
            except OSError:
                return None
            same = [name for name in names if _normal(name) == _normal(segment)]
            if not same:
                return None
            found += f"{segment if segment in same else same[0]}/"
        return found.removesuffix("/")


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _in_shell(path: str) -> str:
    """Quote *path* for a shell in ASCII, since both Unicode forms look the same."""
    escaped = path.replace("\\", r"\\").replace("'", r"\'")
    plain = "".join(c if c.isascii() else f"\\U{ord(c):08x}" for c in escaped)
    return f"the same name in another Unicode form: $'{plain}'"
