"""The places of the files: folders and buckets, each below a path prefix.

``GATEWAY_FILES`` lists them: ``/srv/files videos/=s3://media/videos``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from gateway.errors import NotServableError
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable

_WITH_PREFIX: Final = re.compile(r"(?P<prefix>[^/=][^=]*/)=(?P<root>.+)")
_SCHEME: Final = "s3://"
# Amazon's names of buckets, and those that other servers permit besides.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
#: The names of nginx's internal locations for the folders.
_LOCATION: Final = "files"


@dataclass(frozen=True)
class BucketURL:
    """``s3://<bucket>/<prefix>``; a ``prefix`` that is not empty ends with ``/``."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse *text*; raise ValueError with the reason."""
        bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
        if not text.startswith(_SCHEME) or not _BUCKET.fullmatch(bucket):
            raise ValueError(f"{text!r} is not of the form s3://bucket/prefix")
        return cls(bucket, _folder(prefix) if prefix else "")

    def __str__(self) -> str:
        """Return the URL."""
        return f"{_SCHEME}{self.bucket}/{self.prefix}".removesuffix("/")


@dataclass(frozen=True)
class Place:
    """Files whose paths begin with ``prefix`` are in ``root``, at the rest of the path.

    ``prefix`` is empty or ends with ``/``.
    """

    prefix: str
    root: Path | BucketURL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``ROOT`` or ``prefix/=ROOT``; ROOT is a folder or ``s3://...``."""
        match = _WITH_PREFIX.fullmatch(text)
        prefix, root = (match["prefix"], match["root"]) if match else ("", text)
        return cls(
            _folder(prefix) if prefix else "",
            BucketURL.parse(root) if root.startswith(_SCHEME) else Path(root),
        )

    def __str__(self) -> str:
        """Return the place in the syntax of the setting."""
        return f"{self.prefix}={self.root}" if self.prefix else str(self.root)


@dataclass(frozen=True)
class Places:
    """The value of ``GATEWAY_FILES``; no two places have the same prefix."""

    listed: tuple[Place, ...]

    @classmethod
    def parse(cls, text: str, folder: Callable[[Path], Path] = Path) -> Self:
        """Parse a list that is separated by blanks; *folder* checks each folder.

        Raise ValueError with the reason.
        """
        listed = []
        for place in map(Place.parse, text.split()):
            root = place.root
            checked = folder(root) if isinstance(root, Path) else root
            listed.append(Place(place.prefix, checked))
        if not listed:
            raise ValueError("names no folder and no bucket")
        prefixes = [place.prefix for place in listed]
        for prefix in prefixes:
            if prefixes.count(prefix) > 1:
                what = f"the prefix {prefix!r}" if prefix else "no prefix"
                raise ValueError(
                    f"more than one place has {what}; a path must not contain blanks"
                )
        return cls(tuple(listed))

    @cached_property
    def by_length(self) -> tuple[Place, ...]:
        """The places, those with the longest prefix first."""
        return tuple(sorted(self.listed, key=lambda place: -len(place.prefix)))

    @cached_property
    def folders(self) -> dict[str, Path]:
        """The folders by the name of their internal locations in nginx."""
        roots = [place.root for place in self.listed if isinstance(place.root, Path)]
        names = [_LOCATION, *(f"{_LOCATION}_{n}" for n in range(2, len(roots) + 1))]
        return dict(zip(names, roots, strict=False))

    def on_disk(self, path: str) -> Path | None:
        """Return the file's path on this machine; None if it is in a bucket."""
        for place in self.by_length:
            if path.startswith(place.prefix):
                if isinstance(place.root, Path):
                    return place.root / path[len(place.prefix) :]
                break
        return None

    @property
    def buckets(self) -> list[BucketURL]:
        """The buckets among the places."""
        roots = (place.root for place in self.listed)
        return [root for root in roots if isinstance(root, BucketURL)]

    def __str__(self) -> str:
        """Return the places in the syntax of the setting."""
        return " ".join(map(str, self.listed))


def _folder(text: str) -> str:
    """Return *text* with a final slash; raise ValueError for a path of no file."""
    try:
        return FilePath.parse(text.removesuffix("/")).text + "/"
    except NotServableError as error:
        raise ValueError(f"no file has the path {text!r} ({error.fact})") from None
