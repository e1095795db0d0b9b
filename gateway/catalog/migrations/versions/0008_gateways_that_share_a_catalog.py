"""Record the gateway of each reservation, and the oldest compatible schema."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("reservations", sa.Column("gateway", sa.String(32)))
    table = op.create_table(
        "compatibility",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("oldest", sa.String(4), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compatibility")),
    )
    # A later migration that breaks gateways with an older schema sets its own number in
    # this row.
    op.bulk_insert(table, [{"id": 1, "oldest": revision}])
