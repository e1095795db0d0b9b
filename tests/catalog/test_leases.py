"""Places of a link: which lease holds one, and which gives its own to another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import delete, insert, select, update

from gateway.catalog import leases, recipients, shares
from gateway.catalog.leases import BegunRequest, NewLease
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.schema import lease_requests
from gateway.catalog.schema import leases as table
from gateway.catalog.schema import shares as shares_table
from gateway.catalog.shares import NewItem
from gateway.errors import (
    EndedLeaseError,
    NothingTakenError,
    NotServableError,
    ShareBusyError,
    ShareSpentError,
)

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Share
    from gateway.catalog.users import User

NOW: Final = 1000
LATER: Final = 2000
NEW: Final = NewLease(expires=LATER, agent="Firefox on Linux")


@dataclass
class Link:
    """A link with places, and what nginx and its ledger do."""

    database: Database
    share: Share
    recipient: Recipient

    def take(self, *, now: int = NOW, expires: int = LATER) -> str:
        new = replace(NEW, expires=expires)
        with self.database.write() as connection:
            return leases.take(connection, self.recipient, new, now=now)

    def begin(self, lease: str, request: str = "r1", *, run: str = "one") -> None:
        begun = BegunRequest(id=request, gateway="g", run=run)
        with self.database.write() as connection:
            leases.begin(connection, lease, begun, now=NOW)

    def end(self, request: str = "r1") -> None:
        """Let the ledger say that a request is over."""
        with self.database.write() as connection:
            connection.execute(
                delete(lease_requests).where(lease_requests.c.id == request)
            )

    def spend(self, lease: str) -> None:
        with self.database.write() as connection:
            leases.spend(connection, {lease: NOW})

    def give_back(self) -> None:
        with self.database.write() as connection:
            leases.give_back(connection, self.recipient, now=NOW)

    def limit(self, most: int | None) -> None:
        with self.database.write() as connection:
            shares.change(connection, self.share, max_downloads=most)

    def open(self) -> list[str]:
        """Return the leases that have not ended."""
        query = select(table.c.id).where(table.c.ended.is_(None))
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def taken(self) -> int:
        with self.database.read() as connection:
            found = recipients.by_id(connection, self.recipient.id)
        assert found is not None
        return found.taken - found.given_back


def a_link(database: Database, owner: User, most: int | None) -> Link:
    with database.write() as connection:
        share = shares.new(
            connection,
            owner,
            [NewItem("a.txt", path="a.txt")],
            now=NOW,
            title="",
            message="",
            lang="",
            max_downloads=most,
        )
        (recipient,) = recipients.add(connection, share, [NewRecipient()], now=NOW)
    return Link(database, share, recipient)


@pytest.fixture
def link(database: Database, ann: User) -> Link:
    return a_link(database, ann, 1)


def test_a_lease_that_is_only_reserved_gives_its_place_to_the_next(link: Link) -> None:
    first, second = link.take(), link.take()
    assert link.open() == [second]
    with pytest.raises(EndedLeaseError):
        link.begin(first)


def test_a_lease_that_has_begun_keeps_its_place(link: Link) -> None:
    lease = link.take()
    link.begin(lease)
    with pytest.raises(ShareBusyError):
        link.take()
    assert link.open() == [lease]


def test_an_id_of_nginx_may_be_as_long_as_the_ledger_reads(link: Link) -> None:
    lease = link.take()
    link.begin(lease, "r" * 64)
    link.end("r" * 64)
    assert link.open() != [link.take()]


def test_a_lease_is_reserved_again_when_all_of_its_requests_are_over(
    link: Link,
) -> None:
    lease = link.take()
    link.begin(lease, "r1")
    link.begin(lease, "r2")
    link.end("r1")
    with pytest.raises(ShareBusyError):
        link.take()
    link.end("r2")
    assert link.open() == [lease]
    assert link.open() != [link.take()]


def test_a_spent_lease_keeps_its_place_for_good(link: Link) -> None:
    lease = link.take()
    link.begin(lease)
    link.spend(lease)
    link.end()
    with pytest.raises(ShareSpentError):
        link.take(now=LATER + 1)
    assert (link.open(), link.taken()) == ([lease], 1)


def test_a_lease_is_spent_once(link: Link) -> None:
    lease = link.take()
    link.spend(lease)
    link.spend(lease)
    assert link.taken() == 1


def test_the_oldest_reserved_lease_goes_first(database: Database, ann: User) -> None:
    link = a_link(database, ann, 3)
    begun = link.take(now=NOW)
    link.begin(begun)
    first, second = link.take(now=NOW + 1), link.take(now=NOW + 2)
    third = link.take(now=NOW + 3)
    assert first not in link.open()
    assert set(link.open()) == {begun, second, third}


def test_a_lease_whose_time_is_over_holds_a_place_only_if_it_has_begun(
    link: Link,
) -> None:
    reserved = link.take(expires=NOW + 10)
    begun = link.take(now=NOW + 10)
    # Nobody had to end it.
    assert set(link.open()) == {reserved, begun}
    link.begin(begun)
    with pytest.raises(ShareBusyError):
        link.take(now=LATER + 1)


def test_places_follow_the_limit(database: Database, ann: User) -> None:
    link = a_link(database, ann, None)
    for _ in range(3):
        link.spend(link.take())
    link.limit(3)
    with pytest.raises(ShareSpentError):
        link.take()
    link.limit(4)
    assert link.take() in link.open()
    link.limit(2)
    with pytest.raises(ShareSpentError):
        link.take()


def test_a_lease_begins_only_where_the_limit_leaves_it_a_place(
    database: Database, ann: User
) -> None:
    """The limit may have been set, or lowered, since it was taken."""
    link = a_link(database, ann, None)
    first, second, third = (link.take() for _ in range(3))
    link.limit(1)
    link.begin(first, "r1")
    link.begin(first, "r2")
    with pytest.raises(ShareBusyError):
        link.begin(second, "r3")
    link.spend(first)
    link.begin(first, "r4")
    with pytest.raises(ShareSpentError):
        link.begin(third, "r5")


def test_what_is_not_counted_ends_nothing(database: Database, ann: User) -> None:
    link = a_link(database, ann, None)
    given = {link.take() for _ in range(5)}
    assert set(link.open()) == given


def test_a_download_that_is_given_back_can_be_taken_again(link: Link) -> None:
    link.spend(link.take())
    link.give_back()
    again = link.take()
    link.spend(again)
    with pytest.raises(ShareSpentError):
        link.take()
    assert link.taken() == 1


def test_a_running_download_that_is_given_back_counts_once(link: Link) -> None:
    lease = link.take()
    link.begin(lease)
    link.give_back()
    link.spend(lease)
    link.end()
    assert link.taken() == 0
    link.spend(link.take())
    assert link.taken() == 1


def test_nothing_is_given_back_that_was_not_taken(link: Link) -> None:
    link.take()
    with pytest.raises(NothingTakenError):
        link.give_back()
    link.spend(link.take())
    link.give_back()
    with pytest.raises(NothingTakenError):
        link.give_back()


def test_a_request_that_has_ended_already_begins_nothing(link: Link) -> None:
    """The ledger may be booked before Flask comes to it."""
    lease = link.take()
    with link.database.write() as connection:
        connection.execute(
            insert(lease_requests).values(id="r1", gateway="g", run="one", since=NOW)
        )
    with pytest.raises(EndedLeaseError):
        link.begin(lease, "r1")
    assert link.take() in link.open()


def test_only_what_holds_no_place_is_forgotten(database: Database, ann: User) -> None:
    link = a_link(database, ann, 9)
    reserved, begun, spent, ended = (link.take() for _ in range(4))
    link.begin(begun)
    link.spend(spent)
    with database.write() as connection:
        connection.execute(update(table).where(table.c.id == ended).values(ended=NOW))
    young = link.take(expires=LATER + 10)
    with database.write() as connection:
        gone = leases.remove_over(connection, before=LATER + 1, limit=10)
    assert gone == 2
    assert reserved not in link.open()
    assert set(link.open()) == {begun, spent, young}


@pytest.mark.parametrize("most", [1, 3])
def test_of_many_takers_at_once_as_many_as_may_hold_a_place(
    database: Database, ann: User, most: int
) -> None:
    link = a_link(database, ann, most)
    with ThreadPoolExecutor(10) as pool:
        given = list(pool.map(lambda _: link.take(), range(50)))
    for number, lease in enumerate(link.open()):
        link.begin(lease, f"r{number}")
    assert len(set(given)) == 50
    assert len(link.open()) == most
    with pytest.raises(ShareBusyError):
        link.take()


def test_a_link_whose_share_was_deleted_gives_none(link: Link) -> None:
    with link.database.write() as connection:
        connection.execute(update(shares_table).values(revoked=NOW))
        shares.remove_over(connection, before=LATER, limit=10)
    with pytest.raises(NotServableError):
        link.take()
