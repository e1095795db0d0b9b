"""Make room for request ids of up to 64 characters."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("lease_requests") as table:
        table.alter_column("id", type_=sa.String(64))
