"""Add an index to find uploads without a digest."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_uploads_without_digest",
        "uploads",
        ["created", "id"],
        unique=False,
        postgresql_where=sa.text("sha256 IS NULL"),
        sqlite_where=sa.text("sha256 IS NULL"),
    )
