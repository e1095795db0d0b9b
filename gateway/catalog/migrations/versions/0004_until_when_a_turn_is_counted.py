"""Record until when a session's active request counts; existing active requests end."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "partials",
        sa.Column("turn_expires", sa.BigInteger(), server_default="0", nullable=False),
    )
