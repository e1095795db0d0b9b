"""Files that a site's own views send: a path becomes a file and its headers.

``gateway.flask`` and ``gateway.django`` are built on this module, and a site installs
it with itsdangerous alone.  The request is not looked at: if one of its headers said
who sends the file, a client would say it (CVE-2025-61780).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from gateway.config.assets import asset
from gateway.delivery.accel import accel_headers, client_headers
from gateway.delivery.served_files import served_files
from gateway.delivery.verdict import Delivery, InlinePolicy
from gateway.errors import NotServableError, SettingsError
from gateway.http import content_security
from gateway.http.file_headers import HEADERS
from gateway.storage.bucket_server import DEFAULT_REGION, BucketServer, parse_endpoint
from gateway.storage.content import DiskFile
from gateway.storage.media_types import MediaTypes
from gateway.storage.names import shortened
from gateway.storage.paths import FilePath
from gateway.storage.places import Place, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.storage.content import Content
    from gateway.storage.files import Files

_LOGGER: Final = logging.getLogger(__name__)
_NANOSECONDS: Final = 10**9


@dataclass(frozen=True)
class FileOnDisk:
    """A file's path, its size in bytes and its modification time in Unix seconds."""

    path: Path
    size: int
    modified: int

    @property
    def etag(self) -> str:
        """The file's strong ETag, without its quotes, as nginx makes it.

        ngx_http_set_etag in src/http/ngx_http_core_module.c.
        """
        return f"{self.modified:x}-{self.size:x}"

    def validators(self) -> dict[str, str]:
        """Return the headers with which a client asks whether the file has changed."""
        return {
            "ETag": f'"{self.etag}"',
            "Last-Modified": formatdate(self.modified, usegmt=True),
        }


@dataclass(frozen=True)
class ViewFile:
    """A file that a view sends.

    ``content_type`` has the charset.  ``on_disk`` is None for an object in a bucket.
    """

    content_type: str
    delivery: Delivery
    on_disk: FileOnDisk | None

    def nginx_headers(self) -> dict[str, str]:
        """Return the headers of an empty answer that make nginx send the file."""
        return accel_headers(self.delivery)

    def headers(self) -> dict[str, str]:
        """Return the headers with which nginx would send the file, without nginx."""
        return {
            "Content-Type": self.content_type,
            **client_headers(self.delivery),
            **HEADERS,
            "Content-Security-Policy": content_security.of_delivery(self.content_type),
        }


@dataclass(frozen=True)
class ViewFiles:
    """The files that views may send; ``by_nginx`` says whether nginx sends them."""

    places: Places
    files: Files
    by_nginx: bool

    @classmethod
    def configured(cls, setting: Callable[[str], object], *, is_debug: bool) -> Self:
        """Return the files that a site's settings name.

        *setting* returns the value of a setting by name, None if it is not set:
        ``GATEWAY_FILES``, ``GATEWAY_NGINX`` and, for buckets, ``GATEWAY_BUCKET_...``.
        Without ``GATEWAY_NGINX`` nginx sends the files, except in the framework's debug
        mode.  Raise SettingsError with all faults.
        """
        faults: list[str] = []
        places = _places(setting("GATEWAY_FILES"), faults)
        server = _server(setting, faults) if places and places.buckets else None
        nginx = setting("GATEWAY_NGINX")
        if not isinstance(nginx, bool | None):
            # The text "False" from an environment variable would be true.
            faults.append(f"GATEWAY_NGINX: must be True or False, not {nginx!r}")
        if faults or places is None:
            raise SettingsError(faults)
        by_nginx = not is_debug if nginx is None else bool(nginx)
        return cls(places, _files(places, server), by_nginx)

    def find(
        self,
        path: str,
        *,
        name: str | None,
        as_attachment: bool,
        max_age: int,
        rate: int | None,
    ) -> ViewFile:
        """Return the file at *path*, untrusted text that is relative to the files.

        *name* is the name that a browser saves it as; an empty one and None mean that
        of the path, and a long one is cut before its suffix;
        *max_age* the seconds for which a client may cache it; *rate* bytes per second.
        A browser may show the file only if its type can't run script, and not with
        *as_attachment*.

        Raise NotServableError if the path names no file that may be sent,
        SettingsError if there is no folder of files, TypeError or ValueError for
        arguments that no request can cause.  nginx finds out whether an object in a
        bucket exists.
        """
        _check(path, name=name, max_age=max_age, rate=rate)
        try:
            asked = FilePath.parse(path)
            served = self.files.serve(asked)
            on_disk = self._on_disk(served.content)
        except NotServableError as error:
            for root in self.places.folders.values():
                if not os.path.isdir(root):  # noqa: PTH112 -- Path's raises
                    raise SettingsError(
                        [f"GATEWAY_FILES: {root} is not a folder"]
                    ) from None
            _LOGGER.info("%r is not sent: %s", path, error.reason)
            raise
        media_type = _types().of(served.name)
        return ViewFile(
            content_type=_types().content_type(media_type),
            on_disk=on_disk,
            delivery=Delivery(
                content=served.content,
                name=_saved_as(name) if name else asked.name,
                is_inline=not as_attachment and InlinePolicy().allows(media_type),
                max_age=max_age,
                rate=rate,
            ),
        )

    def read(self, path: str) -> Iterator[bytes]:
        """Return the bytes of the file that ``find`` has found, in chunks."""
        return self.files.read(FilePath.parse(path))

    def _on_disk(self, content: Content) -> FileOnDisk | None:
        if not isinstance(content, DiskFile):
            return None
        path = self.places.folders[content.folder] / content.path
        try:
            modified = path.stat().st_mtime_ns // _NANOSECONDS
        except OSError:
            raise NotServableError("missing") from None
        return FileOnDisk(path, content.size, modified)


def _places(value: object, faults: list[str]) -> Places | None:
    if value is None or value == "":
        faults.append(
            "GATEWAY_FILES: is not set; set it to the folder whose files are sent"
        )
    elif isinstance(value, os.PathLike):
        return Places((Place("", Path(value)),))
    elif not isinstance(value, str):
        faults.append(f"GATEWAY_FILES: must be the path of a folder, not {value!r}")
    else:
        try:
            places = Places.parse(value)
        except ValueError as error:
            faults.append(f"GATEWAY_FILES: {error}")
            return None
        faults += [
            f"GATEWAY_FILES: {root} must be an absolute path"
            for root in places.folders.values()
            if not root.is_absolute()
        ]
        return places
    return None


def _server(setting: Callable[[str], object], faults: list[str]) -> BucketServer | None:
    endpoint, region, key_id, secret = (
        str(setting(f"GATEWAY_BUCKET_{name}") or "")
        for name in ("ENDPOINT", "REGION", "KEY_ID", "SECRET")
    )
    try:
        origin = parse_endpoint(endpoint) if endpoint else None
    except ValueError as error:
        faults.append(f"GATEWAY_BUCKET_ENDPOINT: {error}")
        return None
    return BucketServer.of(origin, region or DEFAULT_REGION, key_id, secret)


@cache
def _files(places: Places, server: BucketServer | None) -> Files:
    # A tree remembers where its root leads, and a bucket its connections.
    return served_files(places, server)


@cache
def _types() -> MediaTypes:
    return MediaTypes.read(asset("nginx/snippets/media_types.conf"))


def _saved_as(name: str) -> str:
    # (!) A view may take it from a form: with a header that does not fit into nginx's
    #     buffer the answer would be 502.
    return shortened(name.encode(errors="replace").decode())


def _check(path: object, *, name: object, max_age: int, rate: int | None) -> None:
    if not isinstance(path, str):
        raise TypeError(f"a path is text that is relative to the files, not {path!r}")
    if not isinstance(name, str | None):
        raise TypeError(f"a name is text, not {name!r}")
    if type(max_age) is not int or max_age < 0:
        raise ValueError(f"max_age is a whole number of seconds, not {max_age!r}")
    if rate is not None and (type(rate) is not int or rate < 1):
        raise ValueError(f"a rate is bytes per second, at least 1, not {rate!r}")
