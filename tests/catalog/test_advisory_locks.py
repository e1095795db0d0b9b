"""Locks that end with their connection, on the server itself."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gateway.catalog import advisory_locks
from gateway.catalog.advisory_locks import AdvisoryLocks, Lock
from gateway.errors import CatalogBusyError, SettingsError
from tests.catalog.pgbouncer import pooled
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server

LABEL = "gateway housekeeping test"
END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 -- ours
    f"WHERE application_name = '{LABEL}'"
)


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    with postgresql.new_database(is_migrated=True) as url:
        yield url


@contextmanager
def opened(url: str, label: str = LABEL) -> Iterator[AdvisoryLocks]:
    with closing(AdvisoryLocks(url, label=label)) as locks:
        yield locks


def test_one_of_two_holds_a_lock_until_it_ends(url: str) -> None:
    with opened(url) as second:
        with opened(url) as first:
            taken = [each.try_lock(Lock.HOUSEKEEPER) for each in (first, second, first)]
            assert second.try_lock(Lock.MAINTENANCE)
        wait_until(
            lambda: second.try_lock(Lock.HOUSEKEEPER), what="the other takes over"
        )
    assert taken == [True, False, True]


def test_a_released_lock_is_the_next_ones(url: str) -> None:
    with opened(url) as first, opened(url) as second:
        assert first.try_lock(Lock.MAINTENANCE)
        first.unlock(Lock.MAINTENANCE)
        assert second.try_lock(Lock.MAINTENANCE)
        first.unlock(Lock.MAINTENANCE)
        assert second.holds(Lock.MAINTENANCE)


def test_a_lock_is_lost_with_its_connection_and_that_is_noticed(
    url: str, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(url) as first, opened(url, "another") as second:
        assert first.try_lock(Lock.HOUSEKEEPER)
        postgresql.ask(END)
        wait_until(
            lambda: second.try_lock(Lock.HOUSEKEEPER), what="the other takes over"
        )
        assert first.holds(Lock.HOUSEKEEPER)
        monkeypatch.setattr(advisory_locks, "_FRESH", 0)
        assert not first.holds(Lock.HOUSEKEEPER)
        assert not first.try_lock(Lock.HOUSEKEEPER)


def test_the_server_soon_notices_that_a_holder_s_machine_is_gone(url: str) -> None:
    """The server listens on a unix socket, where the settings have no effect."""
    query = "SELECT count(*) FROM pg_settings WHERE name {} AND source = 'session'"
    with opened(url) as locks:
        found = locks._ask(query.format("LIKE 'tcp_keepalives_%'"))  # noqa: SLF001
    assert found == 3


def test_a_pooler_is_refused(postgresql: Server, url: str) -> None:
    database = make_url(url).database or ""
    with (
        pooled(postgresql, database) as pooler,
        opened(pooler) as locks,
        pytest.raises(SettingsError, match=r"_DIRECT: .* pooler"),
    ):
        locks.try_lock(Lock.HOUSEKEEPER)


def test_a_server_that_is_away_is_a_busy_catalog() -> None:
    with (
        opened("postgresql+psycopg://gw@/gw?host=/nowhere/at/all") as locks,
        pytest.raises(CatalogBusyError),
    ):
        locks.try_lock(Lock.HOUSEKEEPER)
