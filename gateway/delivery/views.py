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
from typing import Final, Self

from gateway.config.assets import asset
from gateway.delivery.accel import accel_headers, client_headers
from gateway.delivery.verdict import Delivery, InlinePolicy, Source
from gateway.errors import NotServableError, SettingsError
from gateway.http import content_security
from gateway.http.file_headers import HEADERS
from gateway.storage.media_types import MediaTypes
from gateway.storage.names import shortened
from gateway.storage.paths import FilePath
from gateway.storage.tree import FilesTree

_LOGGER: Final = logging.getLogger(__name__)
_NANOSECONDS: Final = 10**9


@dataclass(frozen=True)
class ViewFile:
    """A file that a view sends.

    ``path`` is absolute, ``content_type`` has the charset, ``modified`` is the file's
    modification time in Unix seconds.
    """

    path: Path
    content_type: str
    modified: int
    delivery: Delivery

    @property
    def etag(self) -> str:
        """The file's strong ETag, without its quotes, as nginx makes it.

        ngx_http_set_etag in src/http/ngx_http_core_module.c.
        """
        return f"{self.modified:x}-{self.delivery.size:x}"

    def validators(self) -> dict[str, str]:
        """Return the headers with which a client asks whether the file has changed."""
        return {
            "ETag": f'"{self.etag}"',
            "Last-Modified": formatdate(self.modified, usegmt=True),
        }

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

    tree: FilesTree
    by_nginx: bool

    @classmethod
    def configured(cls, files: object, nginx: object, *, is_debug: bool) -> Self:
        """Return the files of a site's ``GATEWAY_FILES`` and ``GATEWAY_NGINX``.

        None means that a value is not set.  Without ``GATEWAY_NGINX`` nginx sends the
        files, except in the framework's debug mode.  Raise SettingsError with all
        faults.
        """
        faults = []
        if files is None or files == "":
            faults.append(
                "GATEWAY_FILES: is not set; set it to the folder whose files are sent"
            )
        elif not isinstance(files, str | os.PathLike):
            faults.append(f"GATEWAY_FILES: must be the path of a folder, not {files!r}")
        elif not Path(files).is_absolute():
            faults.append(f"GATEWAY_FILES: {files} must be an absolute path")
        if not isinstance(nginx, bool | None):
            # The text "False" from an environment variable would be true.
            faults.append(f"GATEWAY_NGINX: must be True or False, not {nginx!r}")
        if faults:
            raise SettingsError(faults)
        return cls(_tree(Path(files)), not is_debug if nginx is None else nginx)  # type: ignore[arg-type]

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
        arguments that no request can cause.
        """
        _check(path, name=name, max_age=max_age, rate=rate)
        try:
            asked = FilePath.parse(path)
            located = self.tree.locate(asked)
            file = self.tree.root / located.path.text
            modified = _modified(file)
        except NotServableError as error:
            if not os.path.isdir(self.tree.root):  # noqa: PTH112 -- Path's raises
                raise SettingsError(
                    [f"GATEWAY_FILES: {self.tree.root} is not a folder"]
                ) from None
            _LOGGER.info("%r is not sent: %s", path, error.reason)
            raise
        media_type = _types().of(located.path.name)
        return ViewFile(
            path=file,
            content_type=_types().content_type(media_type),
            modified=modified,
            delivery=Delivery(
                source=Source.FILES,
                target=located.path.text,
                size=located.size,
                name=_saved_as(name) if name else asked.name,
                is_inline=not as_attachment and InlinePolicy().allows(media_type),
                max_age=max_age,
                rate=rate,
            ),
        )


@cache
def _tree(root: Path) -> FilesTree:
    # The tree remembers where its root leads.
    return FilesTree(root)


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


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns // _NANOSECONDS
    except OSError:
        raise NotServableError("missing") from None
