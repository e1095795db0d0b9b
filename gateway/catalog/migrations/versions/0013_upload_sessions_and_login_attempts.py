"""Rename tables: upload sessions, login sessions, login attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: Old table name, new table name, and the columns that have an index.
_RENAMED = (
    ("partials", "upload_sessions", ("owner_id", "drop_id", "expires")),
    ("sessions", "login_sessions", ("user_id", "expires")),
    ("tries", "login_attempts", ("since",)),
)
#: Constraints that PostgreSQL names after the table. SQLite does not name them.
_CONSTRAINTS = (
    ("upload_sessions", "pk_partials", "pk_upload_sessions"),
    ("upload_sessions", "fk_partials_owner_id", "fk_upload_sessions_owner_id"),
    ("upload_sessions", "fk_partials_drop_id", "fk_upload_sessions_drop_id"),
    ("login_sessions", "pk_sessions", "pk_login_sessions"),
    ("login_sessions", "fk_sessions_user_id", "fk_login_sessions_user_id"),
    ("login_attempts", "pk_tries", "pk_login_attempts"),
)


def upgrade() -> None:
    """Apply."""
    for old, new, columns in _RENAMED:
        op.rename_table(old, new)
        for column in columns:
            op.drop_index(op.f(f"ix_{old}_{column}"), new)
            op.create_index(op.f(f"ix_{new}_{column}"), new, [column])
    if op.get_bind().dialect.name == "postgresql":
        for table, earlier, name in _CONSTRAINTS:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {earlier} TO {name}")
    op.alter_column("upload_sessions", "turn", new_column_name="active_request")
    op.alter_column(
        "upload_sessions", "turn_expires", new_column_name="active_request_expires"
    )
    # Earlier releases use the old table names and can't work with this schema.
    op.execute(sa.text("UPDATE compatibility SET oldest = '0013'"))
