"""Count the bytes stored through a drop link; reservations lapse before they expire.

Existing drop links may take as much more as a new drop link.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("drops", sa.Column("max_total", sa.BigInteger(), nullable=True))
    for table, column in (("drops", "stored_bytes"), ("reservations", "lapses")):
        op.add_column(
            table,
            sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"),
        )
    op.execute("UPDATE reservations SET lapses = expires")
    op.execute(
        "UPDATE drops SET stored_bytes = (SELECT coalesce(sum(size), 0) FROM uploads "
        "WHERE uploads.drop_id = drops.id)"
    )
    op.execute(
        "UPDATE drops SET max_uploads = taken + 1000 "
        "WHERE max_uploads IS NULL AND taken > 0"
    )
    op.execute(
        "UPDATE drops SET max_total = stored_bytes + 107374182400 "
        "WHERE stored_bytes > 0"
    )
