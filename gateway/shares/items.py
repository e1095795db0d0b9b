"""The files of a share's items, and where their bytes are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog.shares import NewItem
from gateway.delivery.verdict import Source
from gateway.errors import BadFieldsError, GoneItemError, NotServableError
from gateway.storage.names import visible
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.catalog.shares import Item
    from gateway.storage.media_types import MediaTypes
    from gateway.storage.tree import FilesTree

#: Maximum number of items of a share.
MAXIMUM: Final = 100
#: Maximum number of files that are listed for a share.
LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """A file to deliver.

    ``target`` is its path below ``source``, ``size`` is in bytes, ``name`` is the name
    under which the client saves it.
    """

    source: Source
    target: str
    size: int
    media_type: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file in the list of a share.

    ``number`` is the number of its item.  ``inner`` is the file's path inside its item
    if that is a folder, or else its name; ``size`` is None if the file no longer
    exists.
    """

    number: int
    inner: str
    size: int | None
    media_type: str

    @property
    def name(self) -> str:
        """The displayed name: ``inner`` without bidirectional control characters."""
        return visible(self.inner)

    @property
    def key(self) -> str:
        """The value of the request field ``item`` for this file."""
        return f"{self.number}/{self.inner}"


@dataclass(frozen=True)
class Items:
    """Finds the files of items."""

    tree: FilesTree
    types: MediaTypes

    def find(self, item: Item, inner: str) -> FoundItem:
        """Return the file of an item; for a folder, the file at *inner* in it.

        Raise GoneItemError for an item that no longer exists, NotServableError for a
        path that is not in the folder.
        """
        if item.upload_id is not None:
            return _upload(item)
        if item.is_folder:
            # (!) Parsed after concatenation, so that *inner* can't leave the folder.
            return self._file(FilePath.parse(f"{item.path}{inner}"))
        try:
            return self._file(FilePath.parse(item.path or ""))
        except NotServableError as error:
            raise GoneItemError from error

    def listed(self, items: list[Item], *, most: int = LISTED) -> list[ListedFile]:
        """Return at most *most* files of the items."""
        files: list[ListedFile] = []
        for item in items:
            files.extend(self._listed(item, most=most - len(files)))
        return files

    def _file(self, path: FilePath) -> FoundItem:
        found = self.tree.locate(path)
        return FoundItem(
            source=Source.FILES,
            target=found.path.text,
            size=found.size,
            media_type=self.types.of(found.path.name),
            name=path.name,
        )

    def _listed(self, item: Item, *, most: int) -> list[ListedFile]:
        if most == 0:
            return []
        if not item.is_folder:
            try:
                found = self.find(item, item.name)
            except GoneItemError:
                return [self._listed_file(item, item.name, None)]
            return [self._listed_file(item, item.name, found.size)]
        folder = item.path or ""
        return [
            self._listed_file(item, found.path.text.removeprefix(folder), found.size)
            for found in self.tree.below(FilePath(folder[:-1]), most=most)
        ]

    def _listed_file(self, item: Item, inner: str, size: int | None) -> ListedFile:
        return ListedFile(
            number=item.number,
            inner=inner,
            size=size,
            media_type=item.media_type or self.types.of(inner.rpartition("/")[2]),
        )


def of_tree(tree: FilesTree, text: str) -> NewItem:
    """Return a new item for the file or folder of the tree at the path *text*.

    Raise BadFieldsError if neither exists.
    """
    try:
        path = FilePath.parse(text.removesuffix("/"))
        is_folder = tree.is_folder(path)
        if not is_folder:
            tree.locate(path)
    except NotServableError as error:
        raise BadFieldsError(
            {"items": f"no file or folder {text!r} is served ({error.fact})"}
        ) from None
    return NewItem(visible(path.name), path=path.text + "/" * is_folder)


def _upload(item: Item) -> FoundItem:
    if item.blob is None or item.size is None or item.media_type is None:
        raise GoneItemError
    return FoundItem(
        source=Source.BLOBS,
        target=item.blob,
        size=item.size,
        media_type=item.media_type,
        name=item.name,
    )
