"""A catalog of each kind."""

from tests.catalog.conftest import ann, database, unsynced, url

__all__ = ["ann", "database", "unsynced", "url"]
