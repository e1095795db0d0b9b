"""Which schema a database has, told without Alembic, whose import takes long.

Several gateways may share a database, and are updated one after the other: the first
new one brings the newer schema, with which the others go on where they can.  A
migration that they can't go on with says so in the table ``compatibility``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from gateway.catalog.schema import compatibility

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.database import Database

#: The last of ``migrations/versions``.
NEWEST: Final = "0013"
#: Those whose backups are the newest one's too: what came since is not in backups.
RESTORABLE: Final = frozenset(f"{number:04}" for number in range(1, int(NEWEST) + 1))

# Alembic's own table.
_version: Final = Table("alembic_version", MetaData(), Column("version_num", String))


class Fit(Enum):
    """How a database's schema fits this gateway."""

    OLD = "old"
    """It has to be upgraded first, or is not there."""
    GOOD = "good"
    """It is the newest one that this gateway knows, or a newer one like it."""
    NEW = "new"
    """It is a newer one, with which this gateway can't work."""


def version(connection: Connection) -> str:
    """Return the schema's number; an empty text if there is none."""
    if not inspect(connection).has_table(_version.name):
        return ""
    return connection.execute(select(_version.c.version_num)).scalar() or ""


def fit(connection: Connection) -> Fit:
    """Tell how the schema fits this gateway."""
    found = version(connection)
    if found <= NEWEST:
        return Fit.GOOD if found == NEWEST else Fit.OLD
    oldest = connection.execute(select(compatibility.c.oldest)).scalar_one()
    return Fit.GOOD if oldest <= NEWEST else Fit.NEW


def is_usable(database: Database) -> bool:
    """Tell whether this gateway can work with the schema."""
    with database.read() as connection:
        return fit(connection) is Fit.GOOD
