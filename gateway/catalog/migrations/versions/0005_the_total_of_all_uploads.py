"""The bytes of all uploads are kept in one row: an admission adds up no users."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    if op.get_context().dialect.name == "postgresql":
        # A gateway of the release before may still count an upload: the sum waits for
        # it, and it for the sum.
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
