"""The files of a share's items, and where their bytes are stored."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog.shares import NewItem
from gateway.errors import BadFieldsError, GoneItemError, NotServableError
from gateway.storage.content import blob_on_disk
from gateway.storage.names import visible
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.shares import Item
    from gateway.storage.content import Content
    from gateway.storage.files import Files
    from gateway.storage.media_types import MediaTypes

#: Maximum number of items of a share.
MAXIMUM: Final = 100
#: Maximum number of files that are listed for a share.
LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """A file to deliver.

    ``name`` is the name under which the client saves it.
    """

    content: Content
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

    files: Files
    types: MediaTypes
    blob_content: Callable[[str, int], Content] = blob_on_disk

    def find(self, item: Item, inner: str) -> FoundItem:
        """Return the file of an item; for a folder, the file at *inner* in it.

        Whether an object in a bucket exists is not known.  Raise GoneItemError for an
        item that no longer exists, NotServableError for a path that is not in the
        folder.
        """
        if item.upload_id is not None:
            return self._upload(item)
        with _gone_if_missing(item):
            path = _path(item, inner)
            served = self.files.serve(path)
        return FoundItem(
            content=served.content,
            media_type=self.types.of(served.name),
            name=path.name,
        )

    def size(self, item: Item, inner: str) -> int:
        """Return the size of the file that ``find`` returns, in bytes.

        Raise the same errors, also for an object that does not exist, and
        BucketBusyError if the bucket does not answer.
        """
        if item.upload_id is not None:
            if item.size is None:
                raise GoneItemError
            return item.size
        with _gone_if_missing(item):
            return self.files.locate(_path(item, inner)).size

    def _upload(self, item: Item) -> FoundItem:
        if item.blob is None or item.size is None or item.media_type is None:
            raise GoneItemError
        return FoundItem(
            content=self.blob_content(item.blob, item.size),
            media_type=item.media_type,
            name=item.name,
        )

    def listed(self, items: list[Item], *, most: int = LISTED) -> list[ListedFile]:
        """Return at most *most* files of the items."""
        files: list[ListedFile] = []
        for item in items:
            files.extend(self._listed(item, most=most - len(files)))
        return files

    def _listed(self, item: Item, *, most: int) -> list[ListedFile]:
        if most == 0:
            return []
        if not item.is_folder:
            try:
                size = self.size(item, item.name)
            except GoneItemError:
                size = None
            return [self._listed_file(item, item.name, size)]
        folder = item.path or ""
        return [
            self._listed_file(item, found.path.text.removeprefix(folder), found.size)
            for found in self.files.below(FilePath(folder[:-1]), most=most)
        ]

    def _listed_file(self, item: Item, inner: str, size: int | None) -> ListedFile:
        return ListedFile(
            number=item.number,
            inner=inner,
            size=size,
            media_type=item.media_type or self.types.of(inner.rpartition("/")[2]),
        )


def of_files(files: Files, text: str) -> NewItem:
    """Return a new item for the file or folder at the path *text*.

    Raise BadFieldsError if neither exists.
    """
    try:
        path = FilePath.parse(text.removesuffix("/"))
        is_folder = files.is_folder(path)
        if not is_folder:
            files.locate(path)
    except NotServableError as error:
        raise BadFieldsError(
            {"items": f"no file or folder {text!r} is served ({error.fact})"}
        ) from None
    return NewItem(visible(path.name), path=path.text + "/" * is_folder)


def _path(item: Item, inner: str) -> FilePath:
    if item.is_folder:
        # (!) Parsed after concatenation, so that *inner* can't leave the folder.
        return FilePath.parse(f"{item.path}{inner}")
    return FilePath.parse(item.path or "")


@contextmanager
def _gone_if_missing(item: Item) -> Iterator[None]:
    """Raise GoneItemError for a missing file, unless the item is a folder."""
    try:
        yield
    except NotServableError as error:
        if item.is_folder:
            raise
        raise GoneItemError from error
