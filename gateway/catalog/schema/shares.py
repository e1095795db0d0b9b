"""Shares, their items, recipients and leases; the audit log and revocations."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from gateway.catalog.schema.base import metadata

# Permissions to fetch uploads, files and folders, each by its recipients' share links.
shares: Final = Table(
    "shares",
    metadata,
    Column("id", String(12), primary_key=True),
    # Null: the operator created the share, with a command.
    Column("owner_id", ForeignKey("users.id")),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    # The language of its mails, such as "de"; empty means English.
    Column("lang", String(8), nullable=False),
    # Maximum number of downloads of each share link; null means no limit.
    Column("max_downloads", Integer),
    Column("password_hash", Text),
    # Whether each download needs a one-time code.
    Column("has_otp", Boolean, nullable=False, server_default=false()),
    Column("created", BigInteger, nullable=False),
    Column("not_before", BigInteger),
    Column("expires", BigInteger, index=True),
    Column("revoked", BigInteger),
    Column("idempotency_key", String(255)),
    # Digest of the request with that key: reusing the key for a different request is
    # an error.
    Column("idempotency_digest", LargeBinary(32)),
    UniqueConstraint("owner_id", "idempotency_key"),
    Index("ix_shares_created_id", "created", "id"),
    Index("ix_shares_owner_id_created_id", "owner_id", "created", "id"),
)

# Housekeeping looks for revoked shares; most shares expire instead.
Index(
    "ix_shares_revoked",
    shares.c.revoked,
    postgresql_where=shares.c.revoked.is_not(None),
    sqlite_where=shares.c.revoked.is_not(None),
)

# The contents of a share: each item is an upload, or a file or folder of the files
# tree.
share_items: Final = Table(
    "share_items",
    metadata,
    Column("share_id", ForeignKey("shares.id"), primary_key=True),
    # Numbers are never reused: a running download continues with its own item.
    Column("number", Integer, primary_key=True, autoincrement=False),
    # When the item was removed from the share.
    Column("removed", BigInteger),
    # No foreign key: if the upload is deleted, the share still lists it as deleted.
    Column("upload_id", String(26), index=True),
    Column("path", Text),
    Column("name", Text, nullable=False),
)

# Each recipient has a share link.
recipients: Final = Table(
    "recipients",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("share_id", ForeignKey("shares.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    # The id part of the share link's code.
    Column("code_id", String(16), nullable=False, unique=True),
    # Empty: the link was copied, not mailed.
    Column("address", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    # When the share page was first opened.
    Column("opened", BigInteger),
    # When the first download began.
    Column("begun", BigInteger),
    # The number of spent leases, of spent leases that were probably taken by a scanner,
    # and of downloads that were given back. Stored, because counting the leases would
    # take longer with each lease.
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("scanned", Integer, nullable=False, server_default="0"),
    Column("given_back", Integer, nullable=False, server_default="0"),
    # Bytes that nginx has sent.
    Column("sent", BigInteger, nullable=False, server_default="0"),
)

# Permissions to download, issued on share pages.
leases: Final = Table(
    "leases",
    metadata,
    # The id part of the lease code.
    Column("id", String(16), primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    # When a newer lease replaced this one.
    Column("ended", BigInteger),
    # When its first GET began; set only if downloads are counted.
    Column("begun", BigInteger),
    # When a request that sent bytes ended.
    Column("spent", BigInteger),
    # Short description of the browser that took the lease.
    Column("agent", Text, nullable=False),
    # Always empty: addresses are stored in bookings only, as the ledger's setting says.
    Column("network", Text, nullable=False),
    Column("is_scanner", Boolean, nullable=False, server_default=false()),
)
# Leases that housekeeping deletes.
Index(
    "ix_leases_unspent_expires",
    leases.c.expires,
    postgresql_where=leases.c.spent.is_(None),
    sqlite_where=leases.c.spent.is_(None),
)
# Leases that may hold one of their share link's downloads.
Index(
    "ix_leases_unspent",
    leases.c.recipient_id,
    postgresql_where=leases.c.ended.is_(None) & leases.c.spent.is_(None),
    sqlite_where=leases.c.ended.is_(None) & leases.c.spent.is_(None),
)

# GETs of counted downloads that nginx has started. A row is deleted when the ledger
# has the end of the request.
lease_requests: Final = Table(
    "lease_requests",
    metadata,
    # nginx's request id.
    Column("id", String(64), primary_key=True),
    # Null: the end of the request was booked before its start was recorded.
    Column("lease_id", ForeignKey("leases.id"), index=True),
    # The gateway whose nginx serves the request, and the run (start) of that nginx:
    # when nginx stops, all requests of its run have ended.
    Column("gateway", String(32), nullable=False),
    Column("run", String(64), nullable=False),
    Column("since", BigInteger, nullable=False),
)

# Changes of shares. The actor is a user's name; empty means the operator.
audit: Final = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("share_id", String(12), nullable=False, index=True),
    Column("detail", Text, nullable=False),
)

# Revocations: all links of the target that were issued until issued_until are revoked.
revocations: Final = Table(
    "revocations",
    metadata,
    # The target: "url:<MAC>", "path:<path>", "key:<id>" or "upload:<id>".
    Column("subject", Text, primary_key=True),
    Column("issued_until", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # The time when all revoked links have expired, and housekeeping deletes the row.
    # Null means never.
    Column("keep_until", BigInteger, index=True),
)
