"""Shares are described with all that belongs to them, however many there are."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from gateway.catalog import recipients, shares
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.shares import NewItem
from gateway.links.server_secret import ServerSecret
from gateway.shares.codes import ShareCodes
from gateway.shares.description import Descriptions, gather

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.shares import Share
    from tests.web.conftest import Site

NOW = 1_800_000_000
POLICY: dict[str, Any] = {
    "title": "",
    "message": "",
    "lang": "",
    "max_downloads": None,
    "password_hash": None,
    "not_before": None,
    "expires": None,
}


def a_share(connection: Connection, name: str) -> Share:
    """Return a share of a file with that name, for two readers called like it."""
    made = shares.new(connection, None, [NewItem(name, path=name)], now=NOW, **POLICY)
    to = [NewRecipient(f"{name}-{number}@example.com") for number in (1, 2)]
    recipients.add(connection, made, to, now=NOW)
    return made


def test_each_share_gets_its_own_in_any_number(site: Site) -> None:
    """More of them than a query takes parameters."""
    names = [f"file-{number}" for number in range(120)]
    with site.database.write() as connection:
        made = [a_share(connection, name) for name in names]
    with site.database.read() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        before = driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 60)
        try:
            found = gather(connection, made)
        finally:
            driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)
    assert [each.share for each in found] == made
    assert [[item.name for item in each.items] for each in found] == [
        [n] for n in names
    ]
    assert [[to.address for to in each.recipients] for each in found] == [
        [f"{name}-1@example.com", f"{name}-2@example.com"] for name in names
    ]


def test_the_site_s_address_is_read_once_for_all_links(site: Site) -> None:
    asked = []

    def base_url() -> str:
        asked.append(1)
        return "https://files.example.com"

    with site.database.write() as connection:
        (found,) = gather(connection, [a_share(connection, "a.txt")])
    codes = ShareCodes(ServerSecret.generate())
    described = Descriptions(codes, base_url).of(found, now=NOW)
    assert [each.url for each in described.recipients] == [
        codes.url(each, base="https://files.example.com") for each in found.recipients
    ]
    assert asked == [1]
