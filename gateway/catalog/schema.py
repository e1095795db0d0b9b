"""The tables.  Times are Unix seconds, sizes bytes, ids random text."""

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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users: Final = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    # Sessions of an older epoch are over: a new password begins a new one.
    Column("session_epoch", Integer, nullable=False),
    # What the user's uploads take; kept here because a sum over all would grow.
    Column("stored_bytes", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # The first administrator's was made for them: they choose one at the first login.
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    # Whether mails go out for their shares.
    Column("may_send_mail", Boolean, nullable=False, server_default=true()),
)

# Logins.
login_sessions: Final = Table(
    "login_sessions",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False),
    # The user's session_epoch when it began.
    Column("epoch", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("last_seen", BigInteger, nullable=False),
    # The browser and the network that it was begun from, in short.
    Column("agent", Text, nullable=False),
    Column("network", Text, nullable=False),
)

# One row: what the uploads of all users take, the sum of their ``stored_bytes``.
totals: Final = Table(
    "totals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stored_bytes", BigInteger, nullable=False),
)

# One row: the oldest schema whose gateways can work with this one.
compatibility: Final = Table(
    "compatibility",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("oldest", String(4), nullable=False),
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

drops: Final = Table(
    "drops",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("max_uploads", Integer),
    Column("taken", Integer, nullable=False),
    Column("max_size", BigInteger),
    Column("max_total", BigInteger),
    # Bytes of its stored uploads. A sum over the uploads would take longer with each.
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    Column("types", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    # What its code begins with; those without one have a code that a link key signed.
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
    # Its path below the blobs' folder.
    Column("blob", String(64), nullable=False, unique=True),
    Column("sha256", LargeBinary(32)),
    Column("created", BigInteger, nullable=False),
    # Housekeeping deletes it then.
    Column("delete_after", BigInteger, index=True),
    Column("idempotency_key", String(255)),
    UniqueConstraint("owner_id", "idempotency_key"),
    Index("ix_uploads_owner_id_name", "owner_id", "name"),
    Index("ix_uploads_owner_id_created_id", "owner_id", "created", "id"),
)
# What housekeeping looks for every minute, and most often does not find.
Index(
    "ix_uploads_without_digest",
    uploads.c.created,
    uploads.c.id,
    postgresql_where=uploads.c.sha256.is_(None),
    sqlite_where=uploads.c.sha256.is_(None),
)

# Places and bytes that are promised to uploads; id is a request's or a session's.
reservations: Final = Table(
    "reservations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("drop_id", ForeignKey("drops.id"), index=True),
    Column("size", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    # From then on the quotas count what has come of it, and no more.
    Column("lapses", BigInteger, nullable=False, server_default="0"),
    # Which of several gateways has let it in: it ends them when it starts anew.
    Column("gateway", String(32)),
)

# Resumable uploads that are not whole yet.
upload_sessions: Final = Table(
    "upload_sessions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("drop_id", ForeignKey("drops.id"), index=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger),
    # Upload-Metadata as it came, which HEAD gives back.
    Column("metadata", Text, nullable=False),
    # Upload-Concat as it came: "partial", "final;..." or nothing.
    Column("concat", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    # The request whose bytes are on their way, or nothing; the newest has the turn.
    Column("active_request", String(64), nullable=False),
    # Set when it is whole: a client that missed the last answer asks again.
    Column("upload_id", String(26)),
    # Bytes of its file that survive a power cut: what a client is told has come.
    Column("synced", BigInteger, nullable=False, server_default="0"),
    # A killed nginx does not say that its request is over: until then it counts.
    Column("active_request_expires", BigInteger, nullable=False, server_default="0"),
)

# Permissions to fetch uploads, files and folders, each by links of its own.
shares: Final = Table(
    "shares",
    metadata,
    Column("id", String(12), primary_key=True),
    # Null: the operator made it, by command.
    Column("owner_id", ForeignKey("users.id")),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    # The language of its mails, as in "de"; empty is English.
    Column("lang", String(8), nullable=False),
    # Downloads of each link, at most.
    Column("max_downloads", Integer),
    Column("password_hash", Text),
    # Whether each download needs a one-time code.
    Column("has_otp", Boolean, nullable=False, server_default=false()),
    Column("created", BigInteger, nullable=False),
    Column("not_before", BigInteger),
    Column("expires", BigInteger, index=True),
    Column("revoked", BigInteger),
    Column("idempotency_key", String(255)),
    # Of the request with that key: the same key with another request is a mistake.
    Column("idempotency_digest", LargeBinary(32)),
    UniqueConstraint("owner_id", "idempotency_key"),
    Index("ix_shares_created_id", "created", "id"),
    Index("ix_shares_owner_id_created_id", "owner_id", "created", "id"),
)

# What housekeeping looks for; most shares end by themselves.
Index(
    "ix_shares_revoked",
    shares.c.revoked,
    postgresql_where=shares.c.revoked.is_not(None),
    sqlite_where=shares.c.revoked.is_not(None),
)

# What a share opens: an upload, or a file or folder of the tree.
share_items: Final = Table(
    "share_items",
    metadata,
    Column("share_id", ForeignKey("shares.id"), primary_key=True),
    # No number is given twice: a download that runs goes on with its own item.
    Column("number", Integer, primary_key=True, autoincrement=False),
    # When the share was changed to open it no more.
    Column("removed", BigInteger),
    # No foreign key: when the upload is deleted, the share says so.
    Column("upload_id", String(26), index=True),
    Column("path", Text),
    Column("name", Text, nullable=False),
)

# Each has a link of its own.
recipients: Final = Table(
    "recipients",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("share_id", ForeignKey("shares.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    # What the code of its link begins with.
    Column("code_id", String(16), nullable=False, unique=True),
    # Empty: the link was copied, not sent.
    Column("address", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    # When its page was opened first.
    Column("opened", BigInteger),
    # When a download was begun first.
    Column("begun", BigInteger),
    # Leases that are spent, those of them that a scanner has probably taken, and how
    # many of all were given back; kept here because a count of the leases would grow.
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("scanned", Integer, nullable=False, server_default="0"),
    Column("given_back", Integer, nullable=False, server_default="0"),
    # Bytes that nginx has sent.
    Column("sent", BigInteger, nullable=False, server_default="0"),
)

# Permissions to download that were given on a share's page.
leases: Final = Table(
    "leases",
    metadata,
    # What its code begins with.
    Column("id", String(16), primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    # When another lease took its place.
    Column("ended", BigInteger),
    # When its first GET began, where downloads are counted.
    Column("begun", BigInteger),
    # When a request that sent bytes was over.
    Column("spent", BigInteger),
    # The browser that took it, in short.
    Column("agent", Text, nullable=False),
    # Empty: what is kept of addresses is the ledger's (bookings), by its setting.
    Column("network", Text, nullable=False),
    Column("is_scanner", Boolean, nullable=False, server_default=false()),
)
# What housekeeping forgets.
Index(
    "ix_leases_unspent_expires",
    leases.c.expires,
    postgresql_where=leases.c.spent.is_(None),
    sqlite_where=leases.c.spent.is_(None),
)
# Those that may hold a place of their link's.
Index(
    "ix_leases_unspent",
    leases.c.recipient_id,
    postgresql_where=leases.c.ended.is_(None) & leases.c.spent.is_(None),
    sqlite_where=leases.c.ended.is_(None) & leases.c.spent.is_(None),
)

# GETs of counted downloads that nginx has begun, until the ledger says how they ended.
lease_requests: Final = Table(
    "lease_requests",
    metadata,
    # nginx's id of the request.
    Column("id", String(32), primary_key=True),
    # Null: it had ended before it was noted here.
    Column("lease_id", ForeignKey("leases.id"), index=True),
    # Whose nginx it was, and which start of it: with that nginx all of these end.
    Column("gateway", String(32), nullable=False),
    Column("run", String(64), nullable=False),
    Column("since", BigInteger, nullable=False),
)

# What nginx has sent of a file to a recipient, by one lease or, an empty text, by the
# share link itself.
bookings: Final = Table(
    "bookings",
    metadata,
    # A digest of the next four: a look-up of many finds no index for all of them.
    Column("id", String(32), primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    Column("lease_id", String(16), nullable=False),
    Column("item", Integer, nullable=False),
    # Of a folder, which of its files; else empty.
    Column("path", Text, nullable=False),
    Column("requests", Integer, nullable=False),
    # Bytes that were sent, those that were sent again included.
    Column("sent", BigInteger, nullable=False),
    # The file's, and how many different ones of them were sent, and which.
    Column("size", BigInteger, nullable=False),
    Column("covered", BigInteger, nullable=False),
    Column("ranges", Text, nullable=False),
    Column("is_whole", Boolean, nullable=False),
    # When the first and the last request was over, and who sent the last one.
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("agent", Text, nullable=False),
    Column("address", Text, nullable=False),
)

# How far the files of the ledger are booked.
ledger_files: Final = Table(
    "ledger_files",
    metadata,
    # A digest of its first line, which no other file has.
    Column("id", String(32), primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

# Verdicts on signed URLs that nginx asked for, by key and day.
key_uses: Final = Table(
    "key_uses",
    metadata,
    Column("key_id", String(16), primary_key=True),
    # Days since the first of January 1970.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)

# Mails with share links, and with one-time codes, and what became of them.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id"), nullable=False, index=True),
    # Whose mails are counted; null is the operator.
    Column("sender_id", ForeignKey("users.id")),
    Column("state", String(10), nullable=False),
    # The relay's, or why it is not sent.
    Column("words", Text, nullable=False),
    # The one-time code that it brings in place of a link; empty once it was sent.
    Column("code", String(16)),
    Column("tries", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    # Since when it is in its state.
    Column("changed", BigInteger, nullable=False),
    # When it is to be tried, and until when.
    Column("due", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("ix_outbox_state_due", "state", "due"),
    Index("ix_outbox_sender_id_created", "sender_id", "created"),
)

# The one-time code of a recipient; a newer one takes its place.
one_time_codes: Final = Table(
    "one_time_codes",
    metadata,
    Column("recipient_id", ForeignKey("recipients.id"), primary_key=True),
    # By the server secret. A digest without a secret would be found out by trying.
    Column("mac", String(24), nullable=False),
    # Guesses so far.
    Column("tries", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
)

# What was done with shares, by a user's name or, empty, by the operator.
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

# Links of a subject that were issued until then are dead.
revocations: Final = Table(
    "revocations",
    metadata,
    # "url:<MAC>", "path:<path>", "key:<id>" or "upload:<id>".
    Column("subject", Text, primary_key=True),
    Column("issued_until", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # No such link lives longer; then housekeeping forgets it.  Null is never.
    Column("keep_until", BigInteger, index=True),
)

# Tries of passwords: how many, and when the last one was.
login_attempts: Final = Table(
    "login_attempts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("since", BigInteger, nullable=False, index=True),
)
