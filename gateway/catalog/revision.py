"""The schema version of a database, read without Alembic, whose import takes long.

Several gateways may share a database and are updated one after the other: the first
updated gateway migrates the schema, and the others continue with it if they can.  A
migration that earlier gateways can't work with raises ``compatibility.oldest``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from gateway.catalog.schema import compatibility

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.database import Database

#: The last revision in ``migrations/versions``.
NEWEST: Final = "0015"
#: Revisions whose backups can be restored: later changes do not affect backups.
RESTORABLE: Final = frozenset(f"{number:04}" for number in range(1, int(NEWEST) + 1))

# Alembic's own table.
_version: Final = Table("alembic_version", MetaData(), Column("version_num", String))


class Compatibility(Enum):
    """Whether this gateway can work with a database's schema."""

    TOO_OLD = "too-old"
    """The schema must be upgraded first, or does not exist."""
    COMPATIBLE = "compatible"
    """It is the newest schema that this gateway knows, or newer and compatible."""
    TOO_NEW = "too-new"
    """It is a newer schema that this gateway can't work with."""


def version(connection: Connection) -> str:
    """Return the schema's revision; an empty text if there is no schema."""
    if not inspect(connection).has_table(_version.name):
        return ""
    return connection.execute(select(_version.c.version_num)).scalar() or ""


def check(connection: Connection) -> Compatibility:
    """Return whether this gateway can work with the schema."""
    found = version(connection)
    if found == NEWEST:
        return Compatibility.COMPATIBLE
    if found < NEWEST:
        return Compatibility.TOO_OLD
    oldest = connection.execute(select(compatibility.c.oldest)).scalar_one()
    return Compatibility.COMPATIBLE if oldest <= NEWEST else Compatibility.TOO_NEW


def is_usable(database: Database) -> bool:
    """Tell whether this gateway can work with the schema."""
    with database.read() as connection:
        return check(connection) is Compatibility.COMPATIBLE
