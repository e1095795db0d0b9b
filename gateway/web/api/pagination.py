"""Lists in pages: whose rows a request asks for, from where on, and what follows.

``?owner=`` names the user, or everybody; without it the rows are the caller's own.
``?drop=`` is the drop link that uploads came by, ``?after=`` where the page begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from flask import request

from gateway.catalog import ids, users
from gateway.errors import (
    AccountError,
    BadUploadError,
    NotPermittedError,
    NotServableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop
    from gateway.catalog.shares import Share
    from gateway.catalog.uploads import Upload
    from gateway.catalog.users import User
    from gateway.web.auth.identity import Identity

#: Of ``?owner=``: no user has that name.
EVERYBODY: Final = "*"
_CURSOR: Final = re.compile(r"([0-9]{1,12})\.([a-z0-9]{1,32})", re.ASCII)


def chosen_owner(connection: Connection, identity: Identity) -> User | None:
    """Return whose rows the request asks for; None is everybody.

    Raise NotPermittedError for others' if *identity* is no admin, NotServableError for
    a user that does not exist.
    """
    name = request.args.get("owner")
    if name is None:
        return identity.user
    if not identity.is_admin:
        raise NotPermittedError("admin")
    if name == EVERYBODY:
        return None
    try:
        return users.by_name(connection, name)
    except AccountError:
        raise NotServableError("no-user") from None


def chosen_drop() -> str | None:
    """Return the id of the drop link that the request's ``?drop=`` names, if any."""
    text = request.args.get("drop")
    if text is not None and not ids.is_id(text):
        raise BadUploadError("drop-is-no-id")
    return text


def cursor(is_id: Callable[[str], bool]) -> tuple[int, str] | None:
    """Return the ``created`` and ``id`` of the request's ``?after=``, if it has one."""
    text = request.args.get("after")
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None or not is_id(match[2]):
        raise BadUploadError("after-is-no-cursor")
    return int(match[1]), match[2]


def following(last: Upload | Drop | Share) -> str:
    """Return the URL of the page that begins behind *last*, of the same list."""
    return listed(after=f"{last.created}.{last.id}")


def listed(**changed: str | None) -> str:
    """Return the URL of the request's list with other terms; None drops one."""
    terms = {**request.args.to_dict(), **changed}
    query = urlencode({k: v for k, v in terms.items() if v is not None}, safe="*")
    return f"{request.path}?{query}" if query else request.path
