"""The metadata of all tables, and the tables with a single row for the whole catalog.

Each module of this package adds its tables to the same ``metadata``.  A foreign key
names its target as text ("users.id"), so that the modules need not import each other.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row: the bytes of all uploads, which is the sum of ``users.stored_bytes``.
totals: Final = Table(
    "totals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stored_bytes", BigInteger, nullable=False),
)

# One row: the oldest schema version whose gateways can work with this schema.
compatibility: Final = Table(
    "compatibility",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("oldest", String(4), nullable=False),
)

# One row: the id of the store that has the blobs of all uploads; null until a gateway
# has started with a store.
blob_place: Final = Table(
    "blob_place",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("store", String(32)),
)
