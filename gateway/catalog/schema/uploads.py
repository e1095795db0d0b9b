"""Uploads, upload sessions, reservations and drop links."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.catalog.schema.base import metadata

drops: Final = Table(
    "drops",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("max_uploads", Integer),
    # Files that were uploaded through the link, deleted ones included.
    Column("taken", Integer, nullable=False),
    Column("max_size", BigInteger),
    Column("max_total", BigInteger),
    # Bytes of its stored uploads. A sum over the uploads would take longer with each.
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    Column("types", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    # The id part of the drop code; null if a link key signed the code.
    Column("code_id", String(16), index=True, unique=True),
)

uploads: Final = Table(
    "uploads",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("drop_id", ForeignKey("drops.id"), index=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    # Path of the blob, relative to the blobs' folder.
    Column("blob", String(64), nullable=False, unique=True),
    Column("sha256", LargeBinary(32)),
    Column("created", BigInteger, nullable=False),
    # When housekeeping deletes the upload; null is never.
    Column("delete_after", BigInteger, index=True),
    Column("idempotency_key", String(255)),
    UniqueConstraint("owner_id", "idempotency_key"),
    Index("ix_uploads_owner_id_name", "owner_id", "name"),
    Index("ix_uploads_owner_id_created_id", "owner_id", "created", "id"),
)
# Housekeeping looks for these uploads every minute, and usually finds none.
Index(
    "ix_uploads_without_digest",
    uploads.c.created,
    uploads.c.id,
    postgresql_where=uploads.c.sha256.is_(None),
    sqlite_where=uploads.c.sha256.is_(None),
)

# Upload slots and bytes reserved for running uploads and upload sessions. The id is
# that of the request or of the upload session.
reservations: Final = Table(
    "reservations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("drop_id", ForeignKey("drops.id"), index=True),
    Column("size", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    # From then on the quotas count only the bytes that were received.
    Column("lapses", BigInteger, nullable=False, server_default="0"),
    # The gateway that admitted the upload; when it restarts, it ends its old requests.
    Column("gateway", String(32)),
)

# Resumable uploads that are not finished.
upload_sessions: Final = Table(
    "upload_sessions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("drop_id", ForeignKey("drops.id"), index=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger),
    # Upload-Metadata as the client sent it; HEAD returns it.
    Column("metadata", Text, nullable=False),
    # Upload-Concat as the client sent it: "partial", "final;..." or empty.
    Column("concat", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    # Id of the request that is sending a chunk, or empty; the newest request wins.
    Column("active_request", String(64), nullable=False),
    # Set when the upload is finished: a client that missed the last answer asks again.
    Column("upload_id", String(26)),
    # Bytes of the session's file that survive a power cut: the offset clients get.
    Column("synced", BigInteger, nullable=False, server_default="0"),
    # A killed nginx does not report that a request ended: from this second on the
    # request no longer counts as active.
    Column("active_request_expires", BigInteger, nullable=False, server_default="0"),
    # The gateway whose store has the session's file; null in rows of earlier releases.
    Column("replica", String(32)),
)
