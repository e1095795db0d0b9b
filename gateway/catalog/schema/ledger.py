"""The tables of the ledger: bytes sent to recipients, and verdicts per link key."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
)

from gateway.catalog.schema.base import metadata

# The deliveries of a file to a recipient, with one lease or (empty lease_id) with the
# share link itself.
bookings: Final = Table(
    "bookings",
    metadata,
    # A digest of the next four columns: with four columns, a look-up of many rows
    # would not use an index.
    Column("id", String(32), primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    Column("lease_id", String(16), nullable=False),
    Column("item", Integer, nullable=False),
    # If the item is a folder, the path of the file in it; otherwise empty.
    Column("path", Text, nullable=False),
    Column("requests", Integer, nullable=False),
    # Bytes sent, repeated bytes included.
    Column("sent", BigInteger, nullable=False),
    # The file's size; the number of different bytes sent; and their ranges.
    Column("size", BigInteger, nullable=False),
    Column("covered", BigInteger, nullable=False),
    Column("ranges", Text, nullable=False),
    Column("is_whole", Boolean, nullable=False),
    # When the first and the last request ended, and the client of the last request.
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("agent", Text, nullable=False),
    Column("address", Text, nullable=False),
)

# How many bytes of each ledger file are booked.
ledger_files: Final = Table(
    "ledger_files",
    metadata,
    # A digest of the file's first line, which is unique.
    Column("id", String(32), primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

# Verdicts on signed URLs that nginx asked for, by link key and day.
key_uses: Final = Table(
    "key_uses",
    metadata,
    Column("key_id", String(16), primary_key=True),
    # Days since 1 January 1970.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)
