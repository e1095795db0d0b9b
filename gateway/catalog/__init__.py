"""The catalog of users, uploads and shares: SQLAlchemy schema, queries, migrations."""
