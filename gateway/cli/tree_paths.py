"""Paths of the files tree, as a person types them, and why a link may be of no use."""

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

_NOT_YET: Final = "nothing is served there yet ({fact})"
_DOUBTS: Final = {
    "not-a-file": "is no file, and only files are served; --folder covers those in it",
    "outside": "leads out of the files folder, and is not served",
    "private": "leads into the gateway's own folder, and is not served",
    "dot-segment-or-hidden": "leads to what is hidden, and is not served",
}


@dataclass(frozen=True)
class Tree:
    """The files folder, if it is known, beside the gateway's own.

    Where GATEWAY_FILES is not set, it is the folder that was served last.
    """

    files: Path | None
    data: Path

    @classmethod
    def of(cls, current: Settings) -> Self:
        """Return the tree of the settings."""
        return cls(current.files or recorded_files(current.data), current.data)

    def relative(self, typed: str) -> str:
        """Return what a link is signed for; ``.`` is the whole tree.

        Raise click.UsageError for an absolute path that is not in the tree.
        """
        if typed.startswith("/"):
            typed = self._inside(Path(typed))
        segments = [segment for segment in typed.split("/") if segment != "."]
        return "/".join(segments).removesuffix("/")

    def doubt(self, path: str, *, is_folder: bool) -> str | None:
        """Return why a link may lead to nothing, if there is reason to think so."""
        try:
            plain = FilePath.parse(path) if path else None
        except NotServableError as error:
            return f"nothing is ever served under such a path ({error.fact})"
        if self.files is None or plain is None:
            return None
        try:
            found = FilesTree(self.files, self.data).locate(plain)
        except NotServableError as error:
            if error.fact == "not-a-file" and is_folder:
                return None
            doubt = _DOUBTS.get(error.fact, _NOT_YET).format(fact=error.fact)
            twin = _twin(self.files, path) if error.fact == "missing" else None
            return doubt if twin is None else f"{doubt}; there is {_in_shell(twin)}"
        if is_folder:
            return "is a file; --folder covers what lies below a folder"
        return self._unreadable(self.files / found.path.text)

    def _inside(self, path: Path) -> str:
        if self.files is None:
            raise click.UsageError(
                f"{path} is absolute, and GATEWAY_FILES is not set: give a path that "
                "is relative to the files folder"
            )
        for root in (self.files, self.files.resolve()):
            if path.is_relative_to(root):
                return str(path.relative_to(root))
        raise click.UsageError(f"{path} is not in the files folder, {self.files}")

    def _unreadable(self, file: Path) -> str | None:
        """Return that the service's user, who owns the data folder, can't read it."""
        if not self.data.is_dir():
            return None
        owner = Owner.of(self.data)
        if owner.can_read(file):
            return None
        return f"can't be read by the user {owner.name}, as whom the gateway runs"


def _twin(root: Path, path: str) -> str | None:
    """Return the path whose names are the same in other Unicode normal forms."""
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
    """Return *path* as a shell reads it, in ASCII: both forms look the same."""
    escaped = path.replace("\\", r"\\").replace("'", r"\'")
    plain = "".join(c if c.isascii() else f"\\U{ord(c):08x}" for c in escaped)
    return f"the same name in another Unicode form: $'{plain}'"
