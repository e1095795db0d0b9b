"""Leases hold places, which bytes that were sent spend."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
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
    for name, column, condition in (
        ("ix_leases_unspent_expires", "expires", "spent IS NULL"),
        ("ix_leases_unspent", "recipient_id", "ended IS NULL AND spent IS NULL"),
    ):
        op.create_index(
            name,
            "leases",
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
