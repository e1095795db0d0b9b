"""The ledger is booked: each complete line once, whatever happens in between."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import pytest
from sqlalchemy import select

from gateway.catalog import bookings, leases, recipients, shares
from gateway.catalog.leases import BegunRequest
from gateway.catalog.schema import bookings as table
from gateway.catalog.schema import lease_requests, ledger_files
from gateway.errors import (
    EndedLeaseError,
    NoSpaceError,
    ShareBusyError,
    ShareSpentError,
)
from gateway.maintenance.housekeeping import Housekeeper
from gateway.shares.booking import Batch, Booker
from gateway.shares.ledger import SharedFile
from gateway.storage.blobs import BlobStore
from gateway.storage.disk_blobs import DiskBlobs
from tests.catalog.test_leases import NOW, Link, a_link

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.users import User

SIZE: Final = 1000
GATEWAY: Final = "g"


@dataclass
class Ledger:
    """A folder of nginx's files, and who books them."""

    folder: Path
    database: Database
    link: Link
    said: list[str] = field(default_factory=list)
    noted: list[Batch] = field(default_factory=list)
    _requests: itertools.count[int] = field(default_factory=itertools.count)

    def booker(self) -> Booker:
        """Return a new one, as after a start of housekeeping."""
        return Booker(
            database=self.database,
            folder=self.folder,
            gateway=GATEWAY,
            say=self.said.append,
            note=self.noted.append,
        )

    def line(self, lease: str = "", **changes: object) -> bytes:
        """Return a line about a whole file, but for *changes*."""
        said = {
            "at": NOW + 0.5,
            "request": f"{next(self._requests):032x}",
            "began": "",
            "what": self.what(lease),
            "method": "GET",
            "status": "200",
            "bytes": SIZE,
            "length": str(SIZE),
            "range": "",
            "encoding": "",
            "complete": "OK",
            "agent": "curl/8",
            "address": "192.0.2.0/24",
            **changes,
        }
        return json.dumps(said).encode() + b"\n"

    def what(self, lease: str = "", *, item: int = 1, path: str = "") -> str:
        recipient = self.link.recipient
        return SharedFile(
            recipient.share_id, recipient.id, lease, item, SIZE, path
        ).text

    def part(self, lease: str, first: int, end: int, **changes: Any) -> bytes:
        """Return a line about bytes of the file, *first* up to *end*."""
        said = {
            "status": "206",
            "range": f"bytes {first}-{end - 1}/{SIZE}",
            "bytes": end - first,
            "length": str(end - first),
        }
        return self.line(lease, **said | changes)

    def write(self, *lines: bytes, name: str = "current.log") -> None:
        with (self.folder / name).open("ab") as file:
            file.write(b"".join(lines))

    def book(self, *lines: bytes) -> int:
        self.write(*lines)
        return self.booker().round(now=NOW)

    def set_aside(self, name: str = "20261130T000000Z-1.log") -> None:
        (self.folder / "current.log").rename(self.folder / name)

    def start(self, run: str) -> None:
        """Let nginx start anew, as ledger.sh tells."""
        (self.folder / "run.map").write_text(f'"~."  {run};\n')

    def rows(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table).order_by(table.c.lease_id)))

    def row(self) -> Any:
        (found,) = self.rows()
        return found

    @property
    def recipient(self) -> Any:
        with self.database.read() as connection:
            return recipients.by_id(connection, self.link.recipient.id)


@pytest.fixture
def ledger(database: Database, ann: User, tmp_path: Path) -> Ledger:
    folder = tmp_path / "ledger"
    folder.mkdir()
    return Ledger(folder, database, a_link(database, ann, 1))


def test_what_is_booked_is_told_once(ledger: Ledger) -> None:
    """A lease is spent by its first bytes alone."""
    lease = ledger.link.take()
    ledger.book(ledger.line(lease, verdict="MISS"), b"rubbish\n")
    ledger.book(ledger.line(lease, verdict="HIT"), ledger.part(lease, 0, 10))
    ledger.booker().round(now=NOW)
    told = [(b.lines, b.unreadable, b.sent, b.kept, b.spent) for b in ledger.noted]
    assert told == [(2, 1, SIZE, 0, 1), (2, 0, SIZE + 10, 1, 0)]


def test_what_was_sent_is_booked(ledger: Ledger) -> None:
    lease = ledger.link.take()
    count = ledger.book(ledger.line(lease))
    row = ledger.row()
    assert count == 1
    assert (row.requests, row.sent, row.size, row.covered) == (1, SIZE, SIZE, SIZE)
    assert (row.ranges, row.is_whole) == (f"0-{SIZE}", True)
    assert (row.first, row.last, row.agent) == (NOW, NOW, "curl/8")
    assert row.address == "192.0.2.0/24"
    assert (ledger.recipient.taken, ledger.recipient.sent) == (1, SIZE)


def test_ranges_and_retries_of_one_lease_are_one_download(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.part(lease, 0, 600, complete="", bytes=400))
    before = ledger.row()
    ledger.book(ledger.part(lease, 300, 700), ledger.part(lease, 700, 1000))
    row = ledger.row()
    assert (before.is_whole, before.ranges) == (False, "0-400")
    assert (row.is_whole, row.requests, row.sent) == (True, 3, 1100)
    assert (ledger.recipient.taken, ledger.recipient.sent) == (1, 1100)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"method": "HEAD", "bytes": 0}, id="HEAD"),
        pytest.param({"status": "304", "bytes": 0}, id="unchanged"),
        pytest.param({"status": "416", "bytes": 300}, id="beyond"),
        pytest.param({"bytes": 0, "complete": ""}, id="nothing sent"),
        pytest.param({"status": "404", "bytes": 300}, id="vanished"),
    ],
)
def test_what_sends_no_byte_of_the_file_spends_nothing(
    ledger: Ledger, said: dict[str, object]
) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.line(lease, **said))
    assert (ledger.rows(), ledger.recipient.taken) == ([], 0)
    assert ledger.link.take() in ledger.link.open()


def test_several_ranges_at_once_are_bytes_and_no_part(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.line(lease, status="206", bytes=300, length="300"))
    row = ledger.row()
    assert (row.sent, row.covered, row.is_whole) == (300, 0, False)
    assert ledger.recipient.taken == 1


def test_each_file_of_a_folder_is_booked_by_itself(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(
        *(
            ledger.line(lease, what=ledger.what(lease, path=p))
            for p in ("a", "b/ü", "a")
        )
    )
    assert {(r.path, r.requests) for r in ledger.rows()} == {("a", 2), ("b/ü", 1)}
    assert ledger.recipient.taken == 1


def test_what_a_program_gets_by_the_link_itself_is_booked(ledger: Ledger) -> None:
    ledger.book(ledger.line(), ledger.line())
    row = ledger.row()
    assert (row.lease_id, row.requests, row.is_whole) == ("", 2, True)
    assert (ledger.recipient.taken, ledger.recipient.sent) == (0, 2 * SIZE)


def test_a_file_that_was_replaced_begins_anew(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.part(lease, 0, 400))
    ledger.book(ledger.part(lease, 400, 1000, range="bytes 400-999/2000"))
    row = ledger.row()
    assert (row.size, row.ranges, row.is_whole) == (2000, "400-1000", False)


def test_keys_are_counted_by_day(ledger: Ledger) -> None:
    day = 86_400
    said = [("main", 0), ("main", day), ("old", 5), ("main", day + 1)]
    ledger.book(*(ledger.line(what=f"key {key}", at=at) for key, at in said))
    ledger.book(ledger.line(what="key old", at=3))
    with ledger.database.read() as connection:
        assert bookings.uses(connection) == {"main": (1, 3), "old": (0, 2)}


# Places


def test_a_download_that_sent_nothing_gives_its_place_back(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.link.begin(lease, "e" * 32)
    with pytest.raises(ShareBusyError):
        ledger.link.take()
    ledger.book(ledger.line(lease, request="e" * 32, began="1", bytes=0, complete=""))
    assert ledger.link.take() in ledger.link.open()


def test_a_download_that_sent_something_keeps_it(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.link.begin(lease, "e" * 32)
    ledger.book(ledger.line(lease, request="e" * 32, began="1", bytes=1, complete=""))
    with pytest.raises(ShareSpentError):
        ledger.link.take()


def test_a_request_that_flask_did_not_answer_is_over_all_the_same(
    ledger: Ledger,
) -> None:
    ledger.link.begin(ledger.link.take(), "e" * 32)
    ledger.book(ledger.line(what="", request="e" * 32, began="1", status="502"))
    assert ledger.link.take() in ledger.link.open()


def test_a_request_is_over_also_before_it_is_noted(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.line(what="", request="e" * 32, began="1", status="499"))
    with pytest.raises(EndedLeaseError):
        ledger.link.begin(lease, "e" * 32)
    assert ledger.link.take() in ledger.link.open()
    with ledger.database.write() as connection:
        gone = bookings.remove_early(connection, before=NOW + 1, limit=9)
    assert gone == 1


def test_a_scanner_s_download_is_labelled(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.book(ledger.line(lease, agent="Barracuda Sentinel (EE)"))
    assert (ledger.recipient.taken, ledger.recipient.scanned) == (1, 1)


# Starts of nginx


@pytest.fixture
def begun(ledger: Ledger) -> str:
    """Return a lease that an earlier nginx was working on."""
    ledger.start("one")
    lease = ledger.link.take()
    ledger.link.begin(lease, "e" * 32, run="one")
    return lease


def test_with_nginx_ends_what_it_was_working_on(ledger: Ledger, begun: str) -> None:
    ledger.book()
    with pytest.raises(ShareBusyError):
        ledger.link.take()
    ledger.start("two")
    ledger.book()
    ledger.link.take()
    assert begun not in ledger.link.open()


def test_what_the_new_nginx_works_on_goes_on(ledger: Ledger, begun: str) -> None:
    ledger.start("two")
    ledger.link.begin(begun, "d" * 32, run="two")
    ledger.book()
    with pytest.raises(ShareBusyError):
        ledger.link.take()


@pytest.mark.usefixtures("begun")
def test_a_download_whose_end_is_not_told_in_a_week_is_over(ledger: Ledger) -> None:
    """A worker of nginx was killed alone: no start of nginx ends what it had."""
    week = 7 * 86_400
    keep_house(ledger, now=NOW + week)
    with pytest.raises(ShareBusyError):
        ledger.link.take(now=NOW + week)
    keep_house(ledger, now=NOW + week + 1)
    assert ledger.link.take(now=NOW + week + 1)


def test_another_gateway_s_nginx_goes_on(ledger: Ledger) -> None:
    ledger.start("two")
    other = BegunRequest(id="d" * 32, gateway="other", run="one")
    lease = ledger.link.take()
    with ledger.database.write() as connection:
        leases.begin(connection, lease, other, now=NOW)
    ledger.book()
    with pytest.raises(ShareBusyError):
        ledger.link.take()


def test_what_the_earlier_nginx_has_written_is_booked_first(
    ledger: Ledger, begun: str
) -> None:
    ledger.write(ledger.line(begun, request="e" * 32, began="1"))
    ledger.set_aside()
    ledger.start("two")
    ledger.book()
    with pytest.raises(ShareSpentError):
        ledger.link.take()


def test_without_a_word_of_starts_nothing_is_ended(ledger: Ledger, begun: str) -> None:
    (ledger.folder / "run.map").unlink()
    ledger.book()
    with pytest.raises(ShareBusyError):
        ledger.link.take()
    assert ledger.link.open() == [begun]


# Exactly once


def test_each_line_is_booked_once(ledger: Ledger) -> None:
    lease = ledger.link.take()
    lines = [ledger.part(lease, n, n + 1) for n in range(0, 20, 2)]
    counts = [ledger.book(line) for line in lines]
    counts.append(ledger.booker().round(now=NOW))
    assert (counts, ledger.row().requests) == ([1] * 10 + [0], 10)


def test_a_line_is_booked_when_it_is_complete(ledger: Ledger) -> None:
    line = ledger.line()
    booker = ledger.booker()
    ledger.write(line[:50])
    first = booker.round(now=NOW)
    ledger.write(line[50:], ledger.line()[:-1])
    second = booker.round(now=NOW)
    ledger.write(b"\n")
    assert (first, second, booker.round(now=NOW)) == (0, 1, 1)
    assert ledger.row().requests == 2


def test_a_file_that_was_renamed_or_copied_is_the_same(ledger: Ledger) -> None:
    ledger.book(ledger.line(), ledger.line())
    ledger.set_aside()
    shutil.copy(ledger.folder / "20261130T000000Z-1.log", ledger.folder / "copy.log")
    ledger.book(ledger.line())
    assert ledger.row().requests == 3


def test_a_file_in_the_place_of_another_one_is_another_one(ledger: Ledger) -> None:
    booker = ledger.booker()
    for _ in range(3):
        ledger.write(ledger.line())
        booker.round(now=NOW)
        (ledger.folder / "current.log").unlink()
    booker.round(now=NOW)
    assert ledger.row().requests == 3


def test_two_who_book_at_once_book_each_line_once(ledger: Ledger) -> None:
    ledger.write(*(ledger.line() for _ in range(300)))
    with (
        patch("gateway.shares.booking._BATCH_BYTES", 4096),
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda _: ledger.booker().round(now=NOW), range(8)))
    ledger.booker().round(now=NOW)
    assert ledger.row().requests == 300


def test_a_kill_in_between_books_nothing_twice(ledger: Ledger) -> None:
    """Offset and bookings are one transaction."""
    ledger.write(*(ledger.line() for _ in range(100)))
    kills = itertools.count()

    def apply(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        if next(kills) % 3 == 0:
            raise KeyboardInterrupt

    real = bookings.apply
    with (
        patch("gateway.shares.booking._BATCH_BYTES", 4096),
        patch("gateway.catalog.bookings.apply", apply),
    ):
        for _ in range(30):
            try:
                ledger.booker().round(now=NOW)
            except KeyboardInterrupt:
                continue
    assert next(kills) > 10
    assert ledger.row().requests == 100


def test_what_is_booked_is_on_the_disk(ledger: Ledger) -> None:
    ledger.write(ledger.line())
    seen: list[int] = []

    def sync(descriptor: int) -> None:
        seen.append(len(ledger.rows()))
        os.fsync(descriptor)

    with patch("os.fdatasync", sync):
        ledger.booker().round(now=NOW)
    assert (seen, len(ledger.rows())) == ([0], 1)


# Faults


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"{torn\n", id="torn"),
        pytest.param(bytes(5000) + b"\n", id="zeros"),
        pytest.param(b"\xff\xfe\n\r\n", id="no text"),
        pytest.param(b"x" * 3_000_000 + b"\n", id="endless"),
    ],
)
def test_a_broken_line_costs_no_other_one(ledger: Ledger, broken: bytes) -> None:
    ledger.book(ledger.line(), broken, ledger.line())
    assert ledger.row().requests == 2
    assert any("can't be read" in said for said in ledger.said)


def test_a_line_that_was_cut_costs_not_the_next_one(ledger: Ledger) -> None:
    """On a full disk nginx writes a part of what it has, without a line's end."""
    cut = ledger.line()[:-40]
    ledger.book(ledger.line(), cut + ledger.line(), ledger.line())
    assert ledger.row().requests == 3
    assert ledger.said == ["1 lines of current.log can't be read"]


def test_a_file_that_lost_its_end_goes_on(ledger: Ledger) -> None:
    """As a power cut may leave it; what was booked was on the disk before."""
    ledger.book(ledger.line(), ledger.line(), ledger.line())
    path = ledger.folder / "current.log"
    first = path.read_bytes().split(b"\n")[0]
    os.truncate(path, len(first) + 1)
    booker = ledger.booker()
    booker.round(now=NOW)
    ledger.write(ledger.line())
    booker.round(now=NOW)
    assert ledger.row().requests == 4
    assert any("has lost" in said for said in ledger.said)


def test_a_folder_or_file_that_is_not_there_is_no_fault(ledger: Ledger) -> None:
    ledger.write(ledger.line())
    booker = ledger.booker()
    booker.round(now=NOW)
    shutil.rmtree(ledger.folder)
    assert booker.round(now=NOW) == 0


def test_a_full_disk_is_waited_for(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.write(ledger.line(lease))
    with (
        patch("gateway.catalog.bookings.write", side_effect=NoSpaceError),
        pytest.raises(NoSpaceError),
    ):
        ledger.booker().round(now=NOW)
    assert (ledger.rows(), ledger.recipient.taken) == ([], 0)
    ledger.booker().round(now=NOW)
    assert (len(ledger.rows()), ledger.recipient.taken) == (1, 1)


def test_lines_about_a_deleted_share_are_passed_over(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.write(ledger.line(lease))
    with ledger.database.write() as connection:
        shares.revoke(connection, ledger.link.share, now=NOW)
    remove(ledger)
    ledger.book(ledger.line(what="key main"))
    assert ledger.rows() == []
    with ledger.database.read() as connection:
        assert set(bookings.uses(connection)) == {"main"}


def test_a_share_goes_with_all_that_was_booked_of_it(ledger: Ledger) -> None:
    lease = ledger.link.take()
    ledger.link.begin(lease)
    ledger.book(ledger.line(lease), ledger.line())
    with ledger.database.write() as connection:
        shares.revoke(connection, ledger.link.share, now=NOW)
    remove(ledger)
    with ledger.database.read() as connection:
        left = connection.execute(select(lease_requests)).all()
    assert (ledger.rows(), ledger.link.open(), left) == ([], [], [])
    assert ledger.recipient is None


def remove(ledger: Ledger) -> None:
    gone = 1
    while gone:
        with ledger.database.write() as connection:
            gone = shares.remove_over(connection, before=NOW + 1, limit=1)


@pytest.mark.parametrize("jump", [-(10**6), 10**6], ids=["back", "forward"])
def test_a_clock_that_jumps_books_nothing_twice(ledger: Ledger, jump: int) -> None:
    booker = ledger.booker()
    ledger.write(ledger.line())
    booker.round(now=NOW)
    ledger.write(ledger.line(at=max(0, NOW + jump)))
    booker.round(now=NOW + jump)
    ledger.set_aside()
    booker.round(now=NOW + 2 * jump)
    assert ledger.row().requests == 2


def test_files_that_were_set_aside_go_when_they_are_booked(ledger: Ledger) -> None:
    ledger.write(ledger.line())
    ledger.set_aside("old.log")
    ledger.write(ledger.line())
    now = int((ledger.folder / "old.log").stat().st_mtime)
    booker = ledger.booker()
    there = []
    for later in (0, 3599, 3602):
        booker.round(now=now + later)
        there.append(sorted(path.name for path in ledger.folder.glob("*.log")))
    with ledger.database.read() as connection:
        known = connection.execute(select(ledger_files)).all()
    assert there == [["current.log", "old.log"]] * 2 + [["current.log"]]
    assert (ledger.row().requests, len(known)) == (2, 1)


def test_a_file_stays_known_as_long_as_it_is_there(ledger: Ledger) -> None:
    """However long nothing came: else all of it would be booked once more."""
    ledger.book(ledger.line())
    ledger.booker().round(now=NOW + 10**8)
    keep_house(ledger, now=NOW + 10**8)
    ledger.book(ledger.line())
    assert ledger.row().requests == 2


def keep_house(ledger: Ledger, *, now: int) -> None:
    store = BlobStore(ledger.folder.parent / "store")
    store.prepare()
    keeper = Housekeeper(
        database=ledger.database,
        store=store,
        blobs=DiskBlobs(store),
        log=ledger.said.append,
    )
    assert keeper.round(now=now).faults == []
