"""What a share opens, and where its bytes lie."""

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

#: Items of one share, at most.
MAXIMUM: Final = 100
#: Files of one share that are listed, at most.
LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """A file to send: its path below ``source``, bytes, type, and the name to save."""

    source: Source
    target: str
    size: int
    media_type: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file as a page lists it: ``inner`` is its path in a folder, or its name.

    ``name`` is the same for people to read, ``size`` is None if it is there no more.
    """

    number: int
    inner: str
    size: int | None
    media_type: str

    @property
    def name(self) -> str:
        """What people read: nothing in it turns other text around."""
        return visible(self.inner)

    @property
    def key(self) -> str:
        """What the field ``item`` of a request says for it."""
        return f"{self.number}/{self.inner}"


@dataclass(frozen=True)
class Items:
    """Finds what items lead to."""

    tree: FilesTree
    types: MediaTypes

    def find(self, item: Item, inner: str) -> FoundItem:
        """Return the file that an item is, or of a folder the one at *inner*.

        Raise GoneItemError for an item that is there no more, NotServableError for
        what a folder does not hold.
        """
        if item.upload_id is not None:
            return _upload(item)
        if item.is_folder:
            # (!) Parsed as one path: what is put together can't lead out.
            return self._file(FilePath.parse(f"{item.path}{inner}"))
        try:
            return self._file(FilePath.parse(item.path or ""))
        except NotServableError as error:
            raise GoneItemError from error

    def listed(self, items: list[Item], *, most: int = LISTED) -> list[ListedFile]:
        """Return the files of items, at most *most*."""
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
    """Return a new item of the tree's file or folder at that path.

    Raise BadFieldsError if there is none.
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
