"""What must be there before the first request: store, schema, an administrator."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import make_url

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role
from gateway.errors import CatalogBusyError, SettingsError
from gateway.polling import attempts
from gateway.storage.blobs import BlobStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.settings import Settings

FIRST_ADMIN: Final = "admin"
#: Seconds between two tries of a catalog that is away or locked.
_PAUSE: Final = 1.0


@dataclass(frozen=True)
class Account:
    """A new account, with the password that is nowhere to be had again."""

    name: str
    password: str


def prepare(settings: Settings) -> Database:
    """Make the store's folders and bring the catalog to the newest schema."""
    if settings.store is None:
        raise SettingsError(["GATEWAY_STORE: is not set"])
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    BlobStore(settings.store).prepare()
    # A migration may take long.
    database = Database.open(settings.database, silence=math.inf)
    upgrade(database)
    if database.reserve is not None:
        database.reserve.lay()
    return database


def prepare_in_time(
    settings: Settings, *, seconds: float, say: Callable[[str], None]
) -> Database:
    """Do as ``prepare`` does, once PostgreSQL is there and nobody has it locked.

    *say* is told what is waited for, for *seconds* at most; then CatalogBusyError is
    raised.  SQLite's file is nothing to wait for.
    """
    is_server = make_url(settings.database).get_backend_name() == "postgresql"
    said = ""
    for _ in attempts(seconds if is_server else 0, every=_PAUSE):
        try:
            return prepare(settings)
        except CatalogBusyError as error:
            refusal = error
        cause = " ".join(str(refusal).split())
        if is_server and cause != said:
            say(f"waiting for the catalog (GATEWAY_DATABASE): {cause}")
        said = cause
    raise refusal


def make_first_admin(database: Database, *, now: int) -> Account | None:
    """Make an administrator if there is no user at all; return who, or None."""
    # Asked before writing: a full disk must not keep the gateway from starting.
    with database.read() as connection:
        if users.everyone(connection):
            return None
    password = secrets.token_urlsafe(12)
    password_hash = users.hash_password(password)
    with database.write() as connection:
        if users.everyone(connection):
            return None
        users.add(
            connection,
            name=FIRST_ADMIN,
            password_hash=password_hash,
            role=Role.ADMIN,
            now=now,
        )
    return Account(FIRST_ADMIN, password)
