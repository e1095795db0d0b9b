"""What must be there before the first request: store, schema, an administrator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role
from gateway.errors import SettingsError
from gateway.ownership import Owner
from gateway.storage.blobs import BlobStore

if TYPE_CHECKING:
    from gateway.settings import Settings

FIRST_ADMIN: Final = "admin"


@dataclass(frozen=True)
class Account:
    """A new account, with the password that is nowhere to be had again."""

    name: str
    password: str


def prepare(settings: Settings) -> Database:
    """Make the store's folders and bring the catalog to the newest schema."""
    if settings.store is None:
        raise SettingsError(["GATEWAY_STORE: is not set"])
    for folder in (settings.data, settings.store):
        ownership.check(folder)
    ownership.make_folder(settings.data, None)
    ownership.make_folder(settings.store, Owner.in_folder(settings.data))
    BlobStore(settings.store).prepare()
    database = Database.open(settings.database)
    upgrade(database)
    if database.reserve is not None:
        database.reserve.lay()
    return database


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
