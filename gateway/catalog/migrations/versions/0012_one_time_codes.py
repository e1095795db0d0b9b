"""Add shares whose downloads need a code that is mailed to the recipient."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "shares",
        sa.Column("has_otp", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "one_time_codes",
        sa.Column("recipient_id", sa.String(12), nullable=False),
        sa.Column("mac", sa.String(24), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"],
            ["recipients.id"],
            name=op.f("fk_one_time_codes_recipient_id"),
        ),
        sa.PrimaryKeyConstraint("recipient_id", name=op.f("pk_one_time_codes")),
    )
    op.create_index(op.f("ix_one_time_codes_expires"), "one_time_codes", ["expires"])
