"""Who there is and what came in: SQLAlchemy schema, queries, migrations."""
