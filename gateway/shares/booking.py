"""Books each complete line of the ledger's files in the catalog, exactly once.

The booked offset of each file is in the catalog and changes in the transaction that
books its lines: a kill at any moment neither loses a line nor books one twice.  A file
is identified by its first line, whatever its name and wherever it was copied: each line
contains a unique request id.
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

#: The file that nginx writes.  Other files in the folder are rotated (nginx/ledger.sh).
CURRENT: Final = "current.log"
#: The id of nginx's latest start, which nginx sends as X-Gateway-Run.
RUN: Final = "run.map"
_RUN: Final = re.compile(r'"~\."  ([A-Za-z0-9-]{1,64});\n?', re.ASCII)
#: Bytes to preallocate, for a few thousand lines that nginx can write to a full disk.
_PREALLOCATED: Final = 1 << 20
#: Maximum bytes to book in one transaction: other writers wait for it.
_BATCH_BYTES: Final = 1 << 20
_LINE_START: Final = b'{"at":'
_DAY: Final = 86_400
#: Seconds to keep a rotated file after its last write.
_RETENTION: Final = 3600


@dataclass
class Batch:
    """The sums of some lines, to be booked in one transaction.

    ``sent`` is the bytes of all files, ``kept`` the number of requests with a cached
    verdict, and ``spent`` the number of leases that these lines have spent, once they
    are booked.
    """

    files: dict[File, Booking] = field(default_factory=dict)
    ranges: dict[File, Ranges] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    lines: int = 0
    unreadable: int = 0
    sent: int = 0
    kept: int = 0
    spent: int = 0

    @classmethod
    def parse(cls, text: bytes) -> Batch:
        """Parse complete lines; invalid lines are only counted."""
        batch = cls()
        for raw in text.splitlines():
            batch.lines += 1
            try:
                line = Line.parse(raw)
            except ValueError:
                batch.unreadable += 1
                batch._add_after_torn(raw)
            else:
                batch.add(line)
        return batch

    def _add_after_torn(self, text: bytes) -> None:
        """Add the complete line that follows a line which a full disk cut off."""
        # A field of a line can't contain this text: its quotes are escaped.
        start = text.rfind(_LINE_START)
        if start > 0:
            with suppress(ValueError):
                self.add(Line.parse(text[start:]))

    def add(self, line: Line) -> None:
        """Add one line to the sums."""
        effects = self.effects
        self.kept += line.is_kept
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
            booking = self.files[file] = _empty(line)
            self.ranges[file] = Ranges()
        booking.requests += 1
        booking.sent += line.sent
        self.sent += line.sent
        booking.last = line.at
        booking.agent = line.agent
        booking.address = line.address
        if line.size != booking.size:
            # The file was replaced: bytes of the old file don't count for the new one.
            self.ranges[file] = Ranges()
            booking.size = line.size
        if line.covered is not None:
            self.ranges[file].add(*line.covered)
            booking.is_whole |= self.ranges[file].bytes >= line.size


def _empty(line: Line) -> Booking:
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


def _merged(known: Booking, more: Booking, ranges: Ranges) -> Booking:
    """Return the sum of two bookings; add the ranges of *known* to *ranges*.

    *ranges* are the ranges of *more*.  If the file's size has changed, the ranges of
    *known* are dropped.
    """
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
    """Books the files in ``folder``, which the nginx of the gateway ``gateway`` writes.

    ``say`` is called with messages for the operator, ``note`` with each batch that is
    booked.
    """

    database: Database
    folder: Path
    gateway: str
    say: Callable[[str], None]
    note: Callable[[Batch], object] = id
    #: The stat of each file that is booked to its last complete line, by name.
    _booked: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def round(self, *, now: int) -> int:
        """Book all new lines, and return their number.

        Raise CatalogBusyError or NoSpaceError if the catalog can't be written; a later
        round books the lines.
        """
        preallocation.reserve(self.folder / CURRENT, _PREALLOCATED)
        with self.database.read() as connection:
            runs = bookings.runs(connection, self.gateway)
        # (!) Read after the catalog: each nginx run in the catalog is then either the
        #     current run or has ended.
        current = self._run()
        count = sum(self._book(path, now=now) for path in self._files())
        ended = runs - {current}
        if current and ended and self._all_are_booked():
            # When an nginx run ends, all its requests end.
            with self.database.write() as connection:
                bookings.end_runs(connection, self.gateway, ended)
        return count

    def _run(self) -> str:
        """Return the id of nginx's latest start, or an empty text if it is unknown."""
        try:
            text = (self.folder / RUN).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        match = _RUN.fullmatch(text)
        return match[1] if match else ""

    def _files(self) -> list[Path]:
        """Return the ledger's files, the current one last."""
        try:
            files = [path for path in self.folder.iterdir() if path.suffix == ".log"]
        except FileNotFoundError:
            return []
        return sorted(files, key=lambda path: (path.name == CURRENT, path.name))

    def _all_are_booked(self) -> bool:
        return all(
            path.name in self._booked for path in self._files() if path.name != CURRENT
        )

    def _book(self, path: Path, *, now: int) -> int:
        """Book the new lines of one file, and return their number."""
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                seen = state.st_ino, state.st_ctime_ns, state.st_size
                if self._booked.get(path.name) == seen:
                    if path.name != CURRENT and now - state.st_mtime > _RETENTION:
                        self._remove(path, file)
                    return 0
                self._booked.pop(path.name, None)
                count, is_booked = self._book_file(
                    file, path.name, state.st_size, now=now
                )
        except FileNotFoundError:
            self._booked.pop(path.name, None)
            return 0
        if is_booked:
            self._booked[path.name] = seen
        return count

    def _book_file(
        self, file: BinaryIO, name: str, size: int, *, now: int
    ) -> tuple[int, bool]:
        """Return the number of booked lines, and whether all lines are booked now.

        Some are not booked if another process is booking the same file.
        """
        first = file.readline(_BATCH_BYTES)
        if not first.endswith(b"\n") and len(first) < _BATCH_BYTES:
            return 0, True
        file_id = _id(first)
        # (!) A line that a power cut could take back must not be booked.
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
            text = file.read(min(_BATCH_BYTES, size - start))
            # If a whole batch has no line end, it is not a valid line: skip it.
            end = text.rfind(b"\n") + 1 or (
                len(text) if len(text) == _BATCH_BYTES else 0
            )
            if not end:
                break
            batch = Batch.parse(text[:end])
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
        """Book a batch in one transaction; return False if it is booked already."""
        with self.database.write() as connection:
            if bookings.offset(connection, file_id) != start:
                return False
            bookings.set_offset(connection, file_id, end)
            existing = bookings.existing_recipients(
                connection, {f.recipient_id for f in batch.files}
            )
            # The recipients of deleted shares are not booked.
            files = {f: b for f, b in batch.files.items() if f.recipient_id in existing}
            known = bookings.existing(connection, files)
            sent: dict[str, int] = {}
            for file, more in files.items():
                recipient = file.recipient_id
                sent[recipient] = sent.get(recipient, 0) + more.sent
                ranges = batch.ranges[file]
                if file in known:
                    files[file] = _merged(known[file], more, ranges)
                booking = files[file]
                booking.ranges, booking.covered = str(ranges), ranges.bytes
                booking.is_whole |= booking.covered >= booking.size
            bookings.write(
                connection,
                {f: b for f, b in files.items() if f not in known},
                {f: b for f, b in files.items() if f in known},
            )
            bookings.add_sent(connection, sent)
            batch.spent = bookings.apply(
                connection, batch.effects, gateway=self.gateway, now=now
            )
        self.note(batch)
        return True

    def _remove(self, path: Path, file: BinaryIO) -> None:
        """Delete a rotated file that is booked."""
        file_id = _id(file.readline(_BATCH_BYTES))
        path.unlink()
        # (!) Sync before the offset is deleted: a power cut could bring the file back,
        #     and it would be booked again.
        folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._booked.pop(path.name, None)
        with self.database.write() as connection:
            bookings.delete_file(connection, file_id)


def _id(first_line: bytes) -> str:
    """Return the id of the file that begins with this line."""
    return hashlib.sha256(first_line).hexdigest()[:32]
