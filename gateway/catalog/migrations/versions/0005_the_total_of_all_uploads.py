"""Store the bytes of all uploads in one row: an admission need not sum all users."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    if op.get_context().dialect.name == "postgresql":
        # A gateway of the previous release may be counting an upload: this lock waits
        # for its transaction, and later ones wait until the sum is stored.
        op.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
    op.create_table(
        "totals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_totals")),
    )
    op.execute(
        "INSERT INTO totals (id, stored_bytes) "
        "SELECT 1, coalesce(sum(stored_bytes), 0) FROM users"
    )
