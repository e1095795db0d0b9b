"""Record how many bytes of an unfinished upload are synced; existing ones restart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "partials",
        sa.Column("synced", sa.BigInteger(), server_default="0", nullable=False),
    )
