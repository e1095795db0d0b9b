"""The tables.  Times are Unix seconds, sizes are bytes, ids are random text.

One module per subject; import every table from this package.
"""

from gateway.catalog.schema.accounts import (
    login_attempts,
    login_sessions,
    tokens,
    users,
)
from gateway.catalog.schema.base import blob_place, compatibility, metadata, totals
from gateway.catalog.schema.ledger import bookings, key_uses, ledger_files
from gateway.catalog.schema.mail import one_time_codes, outbox
from gateway.catalog.schema.shares import (
    audit,
    lease_requests,
    leases,
    recipients,
    revocations,
    share_items,
    shares,
)
from gateway.catalog.schema.uploads import (
    drops,
    reservations,
    upload_sessions,
    uploads,
)

__all__ = [
    "audit",
    "blob_place",
    "bookings",
    "compatibility",
    "drops",
    "key_uses",
    "lease_requests",
    "leases",
    "ledger_files",
    "login_attempts",
    "login_sessions",
    "metadata",
    "one_time_codes",
    "outbox",
    "recipients",
    "reservations",
    "revocations",
    "share_items",
    "shares",
    "tokens",
    "totals",
    "upload_sessions",
    "uploads",
    "users",
]
