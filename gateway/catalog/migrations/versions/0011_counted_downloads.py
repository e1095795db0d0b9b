"""Add the leases' download slots, and the tables of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("recipients", sa.Column("begun", sa.BigInteger(), nullable=True))
    for name, kind in (
        ("taken", sa.Integer()),
        ("scanned", sa.Integer()),
        ("given_back", sa.Integer()),
        ("sent", sa.BigInteger()),
    ):
        op.add_column(
            "recipients", sa.Column(name, kind, nullable=False, server_default="0")
        )
    for name in ("begun", "spent"):
        op.add_column("leases", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column(
        "leases",
        sa.Column(
            "is_scanner", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    op.drop_index("ix_leases_expires", "leases")
    for name, table, column, condition in (
        ("ix_shares_revoked", "shares", "revoked", "revoked IS NOT NULL"),
        ("ix_leases_unspent_expires", "leases", "expires", "spent IS NULL"),
        (
            *("ix_leases_unspent", "leases", "recipient_id"),
            "ended IS NULL AND spent IS NULL",
        ),
    ):
        op.create_index(
            name,
            table,
            [column],
            postgresql_where=sa.text(condition),
            sqlite_where=sa.text(condition),
        )
    op.create_table(
        "lease_requests",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("lease_id", sa.String(16), nullable=True),
        sa.Column("gateway", sa.String(32), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lease_id"], ["leases.id"], name=op.f("fk_lease_requests_lease_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease_requests")),
    )
    op.create_index(op.f("ix_lease_requests_lease_id"), "lease_requests", ["lease_id"])
    op.create_table(
        "bookings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("recipient_id", sa.String(12), nullable=False),
        sa.Column("lease_id", sa.String(16), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("covered", sa.BigInteger(), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name=op.f("fk_bookings_recipient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index(op.f("ix_bookings_recipient_id"), "bookings", ["recipient_id"])
    op.create_table(
        "ledger_files",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_files")),
    )
    op.create_table(
        "key_uses",
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", name=op.f("pk_key_uses")),
    )
