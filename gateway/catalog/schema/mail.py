"""The outbox and one-time codes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from gateway.catalog.schema.base import metadata

# Mails with share links or one-time codes, and the delivery state of each.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    # The user whose daily mail limit counts the mail; null is the operator.
    Column("sender_id", ForeignKey("users.id")),
    Column("state", String(10), nullable=False),
    # The relay's reply, or why the mail is not sent.
    Column("words", Text, nullable=False),
    # The one-time code that the mail contains instead of a link; erased after sending.
    Column("code", String(16)),
    Column("tries", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    # When the state last changed.
    Column("changed", BigInteger, nullable=False),
    # When the next attempt is due, and when the last attempt may be made.
    Column("due", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("ix_outbox_state_due", "state", "due"),
    Index("ix_outbox_sender_id_created", "sender_id", "created"),
)

# The current one-time code of a recipient; a newer code replaces it.
one_time_codes: Final = Table(
    "one_time_codes",
    metadata,
    Column("recipient_id", ForeignKey("recipients.id"), primary_key=True),
    # MAC by the server secret. A digest without a secret could be brute-forced.
    Column("mac", String(24), nullable=False),
    # Guesses so far.
    Column("tries", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
)
