"""Record the store of the blobs, and the gateway of each upload session."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    table = op.create_table(
        "blob_place",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("store", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_place")),
    )
    op.bulk_insert(table, [{"id": 1, "store": None}])
    op.add_column("upload_sessions", sa.Column("replica", sa.String(32)))
