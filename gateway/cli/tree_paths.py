"""Paths of the files tree as users type them, and warnings about links to them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from gateway.config.address import recorded_files
from gateway.errors import NotServableError
from gateway.ownership import Owner
from gateway.storage.paths import FilePath
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from gateway.config.settings import Settings

_NOTHING: Final = "nothing is served there yet ({fact})"
_WARNINGS: Final = {
    "not-a-file": "is not a file; --folder makes a link to the files in it",
    "outside": "leads out of the files folder and is not served",
    "private": "leads into the gateway's data folder and is not served",
    "dot-segment-or-hidden": "leads to a hidden file and is not served",
}


@dataclass(frozen=True)
class Tree:
    """The files folder, or None if it is unknown, and the gateway's data folder.

    If GATEWAY_FILES is not set, ``files`` is the folder that was served last.
    """

    files: Path | None
    data: Path

    @classmethod
    def of(cls, current: Settings) -> Self:
        """Return the tree of the settings."""
        return cls(current.files or recorded_files(current.data), current.data)

    def relative(self, typed: str) -> str:
        """Return the path to sign: relative to the tree, and empty for ``.``.

        Raise click.UsageError for an absolute path that is not in the tree.
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
        if self.files is None or plain is None:
            return None
        try:
            found = FilesTree(self.files, self.data).locate(plain)
        except NotServableError as error:
            if error.fact == "not-a-file" and is_folder:
                return None
            text = _WARNINGS.get(error.fact, _NOTHING).format(fact=error.fact)
            similar = _equivalent(self.files, path) if error.fact == "missing" else None
            return text if similar is None else f"{text}; there is {_in_shell(similar)}"
        if is_folder:
            return "is a file; --folder needs a folder"
        return self._unreadable(self.files / found.path.text)

    def _inside(self, path: Path) -> str:
        if self.files is None:
            raise click.UsageError(
                f"{path} is absolute, but GATEWAY_FILES is not set: give a path "
                "relative to the files folder"
            )
        for root in (self.files, self.files.resolve()):
            if path.is_relative_to(root):
                return str(path.relative_to(root))
        raise click.UsageError(f"{path} is not in the files folder, {self.files}")

    def _unreadable(self, file: Path) -> str | None:
        """Return a warning if the data folder's owner can't read *file*, or None."""
        if not self.data.is_dir():
            return None
        owner = Owner.of(self.data)
        if owner.can_read(file):
            return None
        return f"can't be read by the user {owner.name}, which runs the gateway"


def _equivalent(root: Path, path: str) -> str | None:
    """Return an existing path that equals *path* after Unicode normalization."""
    found: list[str] = []
    for segment in path.split("/"):
        try:
            names = os.listdir(root.joinpath(*found))  # noqa: PTH208 -- names alone
        except OSError:
            return None
        same = [name for name in names if _normal(name) == _normal(segment)]
        if not same:
            return None
        found.append(segment if segment in same else same[0])
    return "/".join(found)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _in_shell(path: str) -> str:
    """Quote *path* for a shell in ASCII, since both Unicode forms look the same."""
    escaped = path.replace("\\", r"\\").replace("'", r"\'")
    plain = "".join(c if c.isascii() else f"\\U{ord(c):08x}" for c in escaped)
    return f"the same name in another Unicode form: $'{plain}'"
