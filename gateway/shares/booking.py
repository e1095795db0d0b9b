"""Booking the ledger: each complete line of its files once, and what follows from it.

How far a file is booked stands in the catalog and changes in the transaction that
books, so that a kill at any moment neither loses a line nor books one twice.  A file is
known by its first line, whatever it is called and wherever it was copied from: each
line has a request's id, which no other has.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from gateway.catalog import bookings
from gateway.catalog.bookings import Booking, Effects, File
from gateway.shares import scanners
from gateway.shares.ledger import Line
from gateway.shares.ranges import Ranges
from gateway.storage import preallocation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.catalog.database import Database

#: The file that nginx writes.  Others in the folder were set aside (nginx/ledger.sh).
CURRENT: Final = "current.log"
#: Which start of nginx writes it: what nginx tells as X-Gateway-Run.
RUN: Final = "run.map"
_RUN: Final = re.compile(r'"~\."  ([A-Za-z0-9-]{1,64});\n?', re.ASCII)
#: Bytes that nginx can still write when the disk is full: some thousand lines.
_ROOM: Final = 1 << 20
#: Bytes that one transaction books, at most: other writers wait for it.
_PIECE: Final = 1 << 20
_BEGIN: Final = b'{"at":'
_DAY: Final = 86_400
#: Seconds that a file is kept after nginx has written to it last.
_KEPT: Final = 3600


@dataclass
class Batch:
    """What some lines add up to."""

    files: dict[File, Booking] = field(default_factory=dict)
    ranges: dict[File, Ranges] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    lines: int = 0
    unreadable: int = 0

    @classmethod
    def of(cls, text: bytes) -> Batch:
        """Read complete lines; those that are broken are only counted."""
        batch = cls()
        for raw in text.splitlines():
            batch.lines += 1
            try:
                line = Line.parse(raw)
            except ValueError:
                batch.unreadable += 1
                batch._add_behind(raw)
            else:
                batch.add(line)
        return batch

    def _add_behind(self, torn: bytes) -> None:
        """Add the line behind one that a full disk has cut, without its end."""
        # No text in a line has this: its quotes are escaped.
        place = torn.rfind(_BEGIN)
        if place > 0:
            with suppress(ValueError):
                self.add(Line.parse(torn[place:]))

    def add(self, line: Line) -> None:
        """Add what one line says."""
        effects = self.effects
        if line.request:
            effects.over.append(line.request)
        if line.key:
            day = (line.key, line.at // _DAY)
            effects.keys[day] = effects.keys.get(day, 0) + 1
        if line.file is None or not (line.sent or line.covered):
            return
        lease = line.file.lease
        if lease and line.sent:
            effects.spent.setdefault(lease, line.at)
            if scanners.is_known(line.agent):
                effects.scanned.add(lease)
        file = File(line.file.recipient, lease, line.file.item, line.file.path)
        booking = self.files.get(file)
        if booking is None:
            booking = self.files[file] = _nothing(line)
            self.ranges[file] = Ranges()
        booking.requests += 1
        booking.sent += line.sent
        booking.last = line.at
        booking.agent = line.agent
        booking.address = line.address
        if line.size != booking.size:
            # The file was replaced: what was sent of the old one is no part of it.
            self.ranges[file] = Ranges()
            booking.size = line.size
        if line.covered is not None:
            self.ranges[file].add(*line.covered)
            booking.is_whole |= self.ranges[file].bytes >= line.size


def _nothing(line: Line) -> Booking:
    return Booking(
        requests=0,
        sent=0,
        size=line.size,
        covered=0,
        ranges="",
        is_whole=False,
        first=line.at,
        last=line.at,
        agent="",
        address="",
    )


def _joined(known: Booking, more: Booking, ranges: Ranges) -> Booking:
    """Return what is booked after *more*; *ranges* are what of the file was sent."""
    if known.size == more.size:
        ranges.update(Ranges.parse(known.ranges))
    return Booking(
        requests=known.requests + more.requests,
        sent=known.sent + more.sent,
        size=more.size,
        covered=0,
        ranges="",
        is_whole=known.is_whole or more.is_whole,
        first=known.first,
        last=more.last,
        agent=more.agent,
        address=more.address,
    )


@dataclass(frozen=True, kw_only=True)
class Booker:
    """Books the files in ``folder``, which the nginx of ``gateway`` writes.

    ``say`` is told what an operator should know.
    """

    database: Database
    folder: Path
    gateway: str
    say: Callable[[str], None]
    #: Files that are booked to their last complete line, by name: how they were.
    _done: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def round(self, *, now: int) -> int:
        """Book what has come, and return how many lines that were.

        Raise CatalogBusyError or NoSpaceError if the catalog takes nothing now: it is
        booked later.
        """
        preallocation.keep(self.folder / CURRENT, _ROOM)
        with self.database.read() as connection:
            runs = bookings.runs(connection, self.gateway)
        # (!) Asked afterwards: a start of nginx that the catalog knew before is the
        #     last one, or is over.
        current = self._run()
        count = sum(self._book(path, now=now) for path in self._files())
        ended = runs - {current}
        if current and ended and self._all_are_done():
            # With nginx ended what it was working on.
            with self.database.write() as connection:
                bookings.end_runs(connection, self.gateway, ended)
        return count

    def _run(self) -> str:
        """Return which start of nginx is the last one; nothing if it is not told."""
        try:
            text = (self.folder / RUN).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        match = _RUN.fullmatch(text)
        return match[1] if match else ""

    def _files(self) -> list[Path]:
        """Return the files, those that were set aside first."""
        try:
            found = [path for path in self.folder.iterdir() if path.suffix == ".log"]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda path: (path.name == CURRENT, path.name))

    def _all_are_done(self) -> bool:
        return all(
            path.name in self._done for path in self._files() if path.name != CURRENT
        )

    def _book(self, path: Path, *, now: int) -> int:
        """Book what has come to one file, and return how many lines that were."""
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                seen = state.st_ino, state.st_ctime_ns, state.st_size
                if self._done.get(path.name) == seen:
                    if path.name != CURRENT and now - state.st_mtime > _KEPT:
                        self._remove(path, file)
                    return 0
                self._done.pop(path.name, None)
                count, is_done = self._book_file(
                    file, path.name, state.st_size, now=now
                )
        except FileNotFoundError:
            self._done.pop(path.name, None)
            return 0
        if is_done:
            self._done[path.name] = seen
        return count

    def _book_file(
        self, file: BinaryIO, name: str, size: int, *, now: int
    ) -> tuple[int, bool]:
        """Return how many lines were booked, and whether these were all there are.

        They are not if somebody else is booking the same file.
        """
        first = file.readline(_PIECE)
        if not first.endswith(b"\n") and len(first) < _PIECE:
            return 0, True
        file_id = _id(first)
        # (!) What a power cut could take back must not be booked.
        os.fdatasync(file.fileno())
        with self.database.read() as connection:
            start = bookings.offset(connection, file_id)
        if start > size:
            self.say(f"the ledger's file {name} has lost {start - size} bytes")
            with self.database.write() as connection:
                bookings.set_offset(connection, file_id, size)
            return 0, True
        count = 0
        while start < size:
            file.seek(start)
            chunk = file.read(min(_PIECE, size - start))
            # A line that is longer than a chunk is none.
            end = chunk.rfind(b"\n") + 1 or (len(chunk) if len(chunk) == _PIECE else 0)
            if not end:
                break
            batch = Batch.of(chunk[:end])
            if not self._write(batch, file_id, start, start + end, now=now):
                return count, False
            if batch.unreadable:
                self.say(f"{batch.unreadable} lines of {name} can't be read")
            count += batch.lines
            start += end
        return count, True

    def _write(
        self, batch: Batch, file_id: str, start: int, end: int, *, now: int
    ) -> bool:
        """Book a batch in one transaction; tell whether nobody else has done so."""
        with self.database.write() as connection:
            if bookings.offset(connection, file_id) != start:
                return False
            bookings.set_offset(connection, file_id, end)
            there = bookings.existing_recipients(
                connection, {f.recipient_id for f in batch.files}
            )
            # Shares that were deleted are no more to be told of.
            files = {f: b for f, b in batch.files.items() if f.recipient_id in there}
            known = bookings.existing(connection, files)
            sent: dict[str, int] = {}
            for file, more in files.items():
                recipient = file.recipient_id
                sent[recipient] = sent.get(recipient, 0) + more.sent
                ranges = batch.ranges[file]
                if file in known:
                    files[file] = _joined(known[file], more, ranges)
                booking = files[file]
                booking.ranges, booking.covered = str(ranges), ranges.bytes
                booking.is_whole |= booking.covered >= booking.size
            bookings.write(
                connection,
                {f: b for f, b in files.items() if f not in known},
                {f: b for f, b in files.items() if f in known},
            )
            bookings.add_sent(connection, sent)
            bookings.apply(connection, batch.effects, gateway=self.gateway, now=now)
        return True

    def _remove(self, path: Path, file: BinaryIO) -> None:
        """Delete a file that was set aside and is booked."""
        file_id = _id(file.readline(_PIECE))
        path.unlink()
        # (!) Before it is forgotten: a power cut would bring it back.
        folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._done.pop(path.name, None)
        with self.database.write() as connection:
            bookings.delete_file(connection, file_id)


def _id(first: bytes) -> str:
    """Return by what a file is known that begins with that line."""
    return hashlib.sha256(first).hexdigest()[:32]
