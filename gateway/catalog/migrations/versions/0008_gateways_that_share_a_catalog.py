"""Reservations name their gateway, and the schema the oldest one that fits it."""

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
    # A later migration that gateways of an older schema can't go on with writes its
    # own number here.
    op.bulk_insert(table, [{"id": 1, "oldest": revision}])
