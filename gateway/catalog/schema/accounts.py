"""Users, their login sessions and tokens, and login attempts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    true,
)

from gateway.catalog.schema.base import metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    # A new password increments it, which ends all login sessions of earlier epochs.
    Column("session_epoch", Integer, nullable=False),
    # Bytes of the user's uploads. Stored, because a sum over the uploads would take
    # longer with each upload.
    Column("stored_bytes", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # Set for the first administrator, whose password was generated: at the first login
    # they choose a new password.
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    # Whether mails are sent for the user's shares.
    Column("may_send_mail", Boolean, nullable=False, server_default=true()),
)

login_sessions: Final = Table(
    "login_sessions",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False),
    # The user's session_epoch at login.
    Column("epoch", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("last_seen", BigInteger, nullable=False),
    # Short descriptions of the browser and the network at login.
    Column("agent", Text, nullable=False),
    Column("network", Text, nullable=False),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("last_used", BigInteger),
    Column("revoked", BigInteger),
)

# Counters of password attempts: their number, and the time of the last attempt.
login_attempts: Final = Table(
    "login_attempts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("since", BigInteger, nullable=False, index=True),
)
