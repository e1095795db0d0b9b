"""Which schema a database has, told without Alembic, whose import takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, inspect, select

if TYPE_CHECKING:
    from gateway.catalog.database import Database

#: The last of ``migrations/versions``.
NEWEST: Final = "0007"
#: Those whose backups are the newest one's too: what came since is not in backups.
RESTORABLE: Final = frozenset({"0001", "0002", "0003", "0004", "0005", "0006", NEWEST})

# Alembic's own table.
_version: Final = Table("alembic_version", MetaData(), Column("version_num", String))


def is_current(database: Database) -> bool:
    """Tell whether the schema is the newest one."""
    with database.read() as connection:
        if not inspect(connection).has_table(_version.name):
            return False
        return connection.execute(select(_version.c.version_num)).scalar() == NEWEST
