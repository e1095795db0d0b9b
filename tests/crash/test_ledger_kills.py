"""Processes are killed at random moments while shares are downloaded.

Each complete line of the ledger is booked once; no place of a link is lost, and none is
given twice.  ``make torture`` runs many rounds.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
import requests
from sqlalchemy import select

from gateway.catalog.database import Database
from gateway.catalog.schema import bookings, lease_requests, leases, recipients
from gateway.http.pools import Pool
from gateway.shares.ledger import Line
from tests.crash.test_kills import ROUNDS, SEED
from tests.live.stack import NativeStack, is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

#: More than the kernel holds for a client that does not read.
LARGE: Final = 24 << 20
FILES: Final = {"small.bin": 5_000, "large.bin": LARGE}
PIECE: Final = 1 << 18
TAKERS: Final = 6
#: Links of a round, by how many downloads each of them has.
LINKS: Final = {1: 10, 3: 6, None: 3}
#: What a taker may be told by a gateway of which nothing was killed.
EXPECTED: Final = {200, 206, 303, 409, 410, 416}


@dataclass(eq=False)
class Link:
    """A link, and what its takers have got: paths of leases."""

    recipient: str
    path: str
    share: str
    most: int | None
    given: list[str] = field(default_factory=list)
    #: Those by which a byte of a file has come since nginx was started last.
    delivered: set[str] = field(default_factory=set)


class Place(NamedTuple):
    """How often a link was taken, and given back, as the catalog has it."""

    taken: int
    given_back: int

    @property
    def spent(self) -> int:
        return self.taken - self.given_back


class Sums(NamedTuple):
    """What was booked of a file, or what its lines add up to."""

    requests: int
    sent: int


#: A recipient, a lease, an item and a path in it.
Booked = tuple[str, str, int, str]


class Taker(threading.Thread):
    """Takes leases, and downloads by its own and others' leases, until stopped."""

    def __init__(self, stack: NativeStack, links: list[Link], seed: int) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.links = links
        self.random = random.Random(seed)  # noqa: S311
        self.is_killed = threading.Event()
        self.is_over = threading.Event()
        self.statuses: set[int] = set()
        #: nginx's ids of requests that sent bytes.
        self.sent: set[str] = set()

    def run(self) -> None:
        acts = [self.press, self.whole, self.whole, self.part, self.part]
        acts += [self.beyond, self.look, self.program]
        while not self.is_over.is_set():
            # A server that is down is not asked without a pause.
            with suppress(requests.RequestException):
                self.random.choice(acts)(self.random.choice(self.links))
            self.is_over.wait(0.005)

    def ask(self, url: str, method: str = "GET", **options: Any) -> requests.Response:
        answer = self.stack.send(f"{self.stack.url}{url}", method, **options)
        if not self.is_killed.is_set():
            self.statuses.add(answer.status_code)
        return answer

    def press(self, link: Link) -> None:
        item = self.random.choice(["1/small.bin", "2/large.bin"])
        answer = self.ask(link.path, "POST", data={"item": item})
        if answer.status_code == 303:
            link.given.append(answer.headers["Location"])

    def whole(self, link: Link) -> None:
        self.fetch(link)

    def part(self, link: Link) -> None:
        first = self.random.randrange(4_000)
        end = self.random.choice(["", str(first + self.random.randrange(1, 99_999))])
        self.fetch(link, Range=f"bytes={first}-{end}")

    def beyond(self, link: Link) -> None:
        self.fetch(link, Range="bytes=999999999-")

    def look(self, link: Link) -> None:
        for lease in link.given[-1:]:
            self.ask(lease, "HEAD")

    def program(self, link: Link) -> None:
        if link.most is None:
            answer = self.ask(f"{link.path}?item=1/small.bin")
            self.sent |= {answer.headers["X-Request-ID"]} if answer.ok else set()

    def fetch(self, link: Link, **headers: str) -> None:
        """Get some or all of it, slowly, by one of the last leases of a link."""
        lease = self.random.choice(link.given[-3:] or [""])
        if not lease:
            return
        patience = self.random.choice([0, 1, 20, LARGE])
        with self.ask(lease, headers=headers, stream=True) as answer:
            is_file = answer.status_code in {200, 206}
            for number, chunk in enumerate(answer.iter_content(PIECE)):
                if is_file and chunk:
                    link.delivered.add(lease_of(lease))
                    self.sent.add(answer.headers["X-Request-ID"])
                if number >= patience or self.is_over.wait(0.005):
                    return


def lease_of(path: str) -> str:
    """Return the id of a lease, with which its code begins."""
    return path.split("/")[2][:16]


class Books:
    """What the catalog of a stack has, and what the files of its ledger have said.

    ``requests`` are nginx's ids of those that have lines, ``told`` is what these add
    up to.
    """

    def __init__(self, stack: NativeStack) -> None:
        self.folder = stack.home / "data" / "store" / "ledger"
        self.database = Database.open(f"sqlite:///{stack.home}/data/catalog.sqlite3")
        self.requests: set[str] = set()
        self.told: dict[Booked, Sums] = {}
        #: By the first line: housekeeping deletes files, and nginx's are renamed.
        self.offsets: Counter[bytes] = Counter()

    def read(self) -> None:
        """Read what has come; a kill may have torn the last line of a file."""
        for path in self.folder.rglob("*.log"):
            with path.open("rb") as file:
                first = file.readline()
                file.seek(self.offsets[first])
                *complete, _torn = file.read().split(b"\n")
            for line in complete:
                self.offsets[first] += len(line) + 1
                self.add(line)

    def add(self, text: bytes) -> None:
        line, request = Line.parse(text), json.loads(text)["request"]
        assert request not in self.requests
        self.requests.add(request)
        if line.file is not None and line.sent:
            file = line.file
            key = (file.recipient, file.lease, file.item, file.path)
            count, sent = self.told.get(key, (0, 0))
            self.told[key] = Sums(count + 1, sent + line.sent)

    def rows(self, *columns: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(*columns)))

    def booked(self) -> dict[Booked, Sums]:
        c = bookings.c
        columns = (c.recipient_id, c.lease_id, c.item, c.path, c.requests, c.sent)
        return {
            (row[0], row[1], row[2], row[3]): Sums(*row[4:])
            for row in self.rows(*columns)
        }

    def sent(self) -> dict[str, int]:
        """Return how many bytes each recipient was sent, if any."""
        rows = self.rows(recipients.c.id, recipients.c.sent)
        return {one: sent for one, sent in rows if sent}

    def places(self) -> dict[str, Place]:
        c = recipients.c
        return {
            row[0]: Place(*row[1:]) for row in self.rows(c.id, c.taken, c.given_back)
        }

    def spent(self) -> dict[str, set[str]]:
        """Return the leases of each recipient that are spent."""
        found = defaultdict(set)
        for one, lease, spent in self.rows(
            leases.c.recipient_id, leases.c.id, leases.c.spent
        ):
            if spent is not None:
                found[one].add(lease)
        return found

    def allowed(self, link: Link) -> float:
        """Return how many leases of a link may deliver."""
        given_back = self.places()[link.recipient].given_back
        return math.inf if link.most is None else link.most + given_back

    def under_way(self) -> list[str]:
        """Return the leases whose places are kept by requests that are not over."""
        rows = self.rows(lease_requests.c.lease_id)
        return [lease for (lease,) in rows if lease is not None]

    def is_quiet(self) -> bool:
        """Tell whether all is booked and every request is over."""
        self.read()
        return not self.under_way() and self.told == self.booked()

    def has(self, requests: set[str]) -> bool:
        self.read()
        return requests <= self.requests

    def check(self, links: Collection[Link], sent: set[str]) -> None:
        """Fail if a line is not booked once, or a place was given twice.

        *sent* are ids of requests of which nginx was not to lose the lines.
        """
        wait_until(lambda: self.has(sent), what="nginx has written its lines")
        # What is wrong then is said below.
        with suppress(AssertionError):
            wait_until(self.is_quiet, what="all that was sent is booked")
        assert self.booked() == self.told
        assert self.under_way() == []
        by_recipient: Counter[str] = Counter()
        by_lease: dict[str, set[str]] = defaultdict(set)
        for (recipient, lease, _item, _path), sums in self.told.items():
            by_recipient[recipient] += sums.sent
            by_lease[recipient] |= {lease} - {""}
        assert self.sent() == dict(by_recipient)
        spent, places = self.spent(), self.places()
        for link in links:
            mine, place = spent[link.recipient], places[link.recipient]
            assert len(mine) == place.taken
            assert by_lease[link.recipient] <= mine
            # What was given back while it ran counts as spent before its line is there.
            assert len(mine - by_lease[link.recipient]) <= place.given_back
            assert place.spent <= (link.most or place.spent)


class Kill(NamedTuple):
    """What is killed, whether nginx loses lines by it, and whether all ends by it."""

    victims: Callable[[NativeStack, random.Random], Iterable[int]]
    loses: bool = False
    ends: bool = True


KILLS: Final = {
    "nginx": Kill(lambda stack, _: stack.processes("nginx"), loses=True),
    "nginx's master": Kill(lambda stack, _: stack.processes("nginx")[:1], loses=True),
    "verdicts": Kill(lambda stack, _: stack.pool(Pool.VERDICTS)),
    "app": Kill(lambda stack, _: stack.pool(Pool.APP)),
    "a worker of verdicts": Kill(
        lambda stack, rng: [rng.choice(stack.pool(Pool.VERDICTS)[1:])], ends=False
    ),
    "a worker of app": Kill(
        lambda stack, rng: [rng.choice(stack.pool(Pool.APP)[1:])], ends=False
    ),
    "the housekeeper": Kill(lambda stack, _: stack.processes("housekeep")),
    "the supervisor": Kill(lambda stack, _: [stack.process.pid], loses=True),
    "everything": Kill(
        lambda stack, _: [stack.process.pid, *stack.processes("")], loses=True
    ),
}


@pytest.mark.extra
def test_kills_book_each_line_once_and_lose_no_place() -> None:
    print(f"TORTURE_ROUNDS={ROUNDS} TORTURE_SEED={SEED}")  # noqa: T201
    rng = random.Random(SEED)  # noqa: S311
    stack = NativeStack(GATEWAY_FREE_SPACE="0", GATEWAY_CLIENT_CONNECTIONS="100")
    for name, size in FILES.items():
        stack.put(name, os.urandom(size))
    stack.start()
    try:
        token = stack.new_token("share", "admin")
        kills: list[str] = []
        links: list[Link] = []
        books = Books(stack)
        for number in range(ROUNDS):
            kills = kills or rng.sample(list(KILLS), len(KILLS))
            print(f"round {number}: {kills[-1]}")  # noqa: T201
            links += one_round(stack, books, token, KILLS[kills.pop()], rng)
        books.check(links, set())
        stack.gateway("fsck")
    finally:
        stack.stop()


def one_round(
    stack: NativeStack, books: Books, token: str, kill: Kill, rng: random.Random
) -> list[Link]:
    """Kill something under downloads, and use up what is left; return the links."""
    links = new_links(stack)
    takers = [Taker(stack, links, rng.randrange(1 << 32)) for _ in range(TAKERS)]
    for taker in takers:
        taker.start()
    wait_until(
        lambda: any(link.most and link.delivered for link in links),
        seconds=30,
        what="a counted download has begun",
    )
    pause = threading.Event()
    pause.wait(rng.uniform(0, 0.8))
    rotate(stack)
    give_back(stack, token, next(x for x in links if x.most and x.delivered))
    pause.wait(rng.uniform(0, 0.8))
    for taker in takers:
        taker.is_killed.set()
    family = strike(stack, kill, rng)
    pause.wait(rng.uniform(0, 0.4))
    for taker in takers:
        taker.is_over.set()
    for taker in takers:
        taker.join()
    assert set[int]().union(*(taker.statuses for taker in takers)) <= EXPECTED
    given_twice = [link for link in links if len(link.delivered) > books.allowed(link)]
    assert given_twice == []
    come_back(stack, kill, family)
    sent = {one for taker in takers for one in taker.sent if not kill.loses}
    sent.update(*(go_on(stack, link) for link in links))
    books.check(links, sent)
    books.check(links, use_up(stack, books, links))
    return links


def new_links(stack: NativeStack) -> list[Link]:
    links = []
    for most, count in LINKS.items():
        to = [f"--to=r{number}@example.com" for number in range(count)]
        limit = [f"--max={most or 0}"]
        made = json.loads(stack.gateway("shares", "new", *FILES, *to, *limit, "--json"))
        links += [
            Link(each["id"], each["url"].removeprefix(stack.url), made["id"], most)
            for each in made["recipients"]
        ]
    return links


def rotate(stack: NativeStack) -> None:
    """Have nginx begin another file of the ledger, as the supervisor has it."""
    script = stack.home / "data" / "run" / "conf" / "live" / "ledger.sh"
    master, *_workers = stack.processes("nginx")
    subprocess.run(["/bin/sh", script, "rotate", str(master), "1"], check=True)


def give_back(stack: NativeStack, token: str, link: Link) -> None:
    """Give a download back, also one that still runs."""
    path = f"{link.share}/recipients/{link.recipient}/give-back"
    headers = {"Authorization": f"Bearer {token}"}
    given = stack.send(f"{stack.url}/api/v1/shares/{path}", "POST", headers=headers)
    assert given.status_code in {200, 409}, given.text


def strike(stack: NativeStack, kill: Kill, rng: random.Random) -> list[int]:
    """Kill, and return the processes that there were."""
    family = [stack.process.pid, *stack.processes("")]
    for pid in kill.victims(stack, rng):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return family


def come_back(stack: NativeStack, kill: Kill, family: list[int]) -> None:
    """Start the gateway anew if it has ended, as a service manager does."""
    if kill.ends:
        stack.process.wait(30)
        wait_until(lambda: not any(map(is_alive, family)), seconds=30, what="all end")
    assert "Traceback" not in stack.log()
    if kill.ends:
        stack.start()
    assert stack.process.poll() is None


def go_on(stack: NativeStack, link: Link) -> set[str]:
    """Continue the last download, unless another lease has taken its place."""
    answers = [
        stack.send(f"{stack.url}{lease}", headers={"Range": "bytes=9-99"})
        for lease in link.given[-1:]
    ]
    assert {answer.status_code for answer in answers} <= {206, 410}
    return {answer.headers["X-Request-ID"] for answer in answers if answer.ok}


def use_up(stack: NativeStack, books: Books, links: list[Link]) -> set[str]:
    """Take each link as often as it can be, and see that it can't be any more."""
    counted = [link for link in links if link.most]
    before = books.places()

    def take(link: Link) -> set[str]:
        sent = set()
        for _ in range((link.most or 0) - before[link.recipient].spent):
            pressed = press(stack, link)
            assert pressed.status_code == 303
            file = stack.send(f"{stack.url}{pressed.headers['Location']}")
            assert len(file.content) == FILES["small.bin"]
            sent.add(file.headers["X-Request-ID"])
        return sent

    with ThreadPoolExecutor(TAKERS) as pool:
        sent = set[str]().union(*pool.map(take, counted))
    wait_until(
        lambda: {press(stack, link).status_code for link in counted} == {410},
        what="all links are used up",
    )
    after = books.places()
    assert [after[link.recipient].spent for link in counted] == [
        link.most for link in counted
    ]
    return sent


def press(stack: NativeStack, link: Link) -> requests.Response:
    return stack.send(f"{stack.url}{link.path}", "POST", data={"item": "1/small.bin"})
