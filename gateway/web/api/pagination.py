"""Lists by pages: newest first, and where the next page begins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from flask import request

from gateway.errors import BadUploadError

if TYPE_CHECKING:
    from collections.abc import Callable

_CURSOR: Final = re.compile(r"([0-9]{1,12})\.([a-z0-9]{1,32})", re.ASCII)


class Listed(Protocol):
    """A row of a list."""

    @property
    def created(self) -> int:
        """When it was made, in Unix seconds."""

    @property
    def id(self) -> str:
        """Its id."""


def place(last: Listed) -> str:
    """Return the ``?after=`` of the page that begins behind *last*."""
    return f"{last.created}.{last.id}"


def cursor(is_id: Callable[[str], bool]) -> tuple[int, str] | None:
    """Return the ``created`` and ``id`` of the request's ``?after=``, if it has one."""
    text = request.args.get("after")
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None or not is_id(match[2]):
        raise BadUploadError("after-is-no-cursor")
    return int(match[1]), match[2]
