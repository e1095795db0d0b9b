"""What a bucket costs, compared with the disk and with the bucket's server itself.

One gateway has the same files in a folder and in a bucket of SeaweedFS, and stores its
uploads in the bucket.
"""

from __future__ import annotations

import http.client
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore

from bench import large, load, processor, uploads
from bench.contestants import COLD_LINKS
from bench.gateway import Gateway
from bench.nginx import Proxy
from bench.processes import HOST, descendants
from bench.rounds import Ratio, interleaved, ratio
from bench.seaweedfs import BUCKET, SeaweedFS
from bench.throughput import KIB, MIB, Cell, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.processor import Spent

    #: Returns the ids of measured processes; one of nginx ends after a minute.
    Processes = Callable[[], Sequence[int]]

SMALL, MIDDLING, BIG = 4 * KIB, MIB, 256 * MIB
SIZES = (SMALL, MIDDLING, BIG)
CONNECTIONS = 16
#: nginx stores objects in slices of this many bytes (``nginx/bucket.jinja``).
SLICE = 4 * MIB
HOT, SEEKS, COLD = "hot", "ranges of 1 MiB", "a new link for each request"
#: Contestants: the bucket's server itself, an nginx without a cache, and the gateway.
DIRECT, PROXY, GATEWAY = "the bucket's server", "nginx, proxy", "gateway"
CLIENT, ON_DISK = "obstore", "gateway, to its disk"
#: Sizes of objects that are downloaded for the first time, and how many per round.
FIRST = {MIDDLING: 64, 64 * MIB: 2}
#: Sizes of uploads, and how many per round.
STORED = {MIDDLING: 32, BIG: 1}
_PLACE = "objects/"
_LIFE = timedelta(days=1)


@dataclass(frozen=True)
class Hit:
    """What is requested from nginx's cache, and the time of an answer or of a MiB."""

    what: str
    size: int
    file: list[Spent]
    object: list[Spent]

    @property
    def speed(self) -> Ratio:
        """The object's speed by nginx's processor time, relative to the file's."""
        return ratio(processor.nginx(self.file), processor.nginx(self.object))


@dataclass(frozen=True)
class Cost:
    """Seconds per file, and processor time of its client, the gateway and the server.

    ``between`` is nginx and gunicorn, or an nginx that is only a proxy.
    """

    clock: float
    client: float
    between: float
    server: float

    @property
    def ours(self) -> float:
        """The processor time without that of the bucket's server."""
        return self.client + self.between


@dataclass(frozen=True)
class Transfer:
    """What is transferred, and its costs by contestant, round by round."""

    what: str
    costs: dict[str, list[Cost]]


@dataclass(frozen=True)
class Buckets:
    """All results."""

    hits: list[Hit]
    first: list[Transfer]
    stored: list[Transfer]


def measure(folder: Path, files: Path, rounds: int, seconds: float) -> Buckets:
    """Measure deliveries of *files* and of the same objects, and uploads."""
    with ExitStack() as stack:
        server = stack.enter_context(SeaweedFS().running())
        for size in SIZES:
            name = Cell(size, 1).file
            server.put(f"{_PLACE}{name}", files / name)
        gateway = Gateway.start(
            stack,
            folder / "bucket",
            files,
            **server.access,
            GATEWAY_FILES=f"{files} {_PLACE}=s3://{BUCKET}/{_PLACE}",
            GATEWAY_BLOBS=f"s3://{BUCKET}/uploads",
        )
        on_disk = Gateway.start(stack, folder / "disk", files)
        gateways = {GATEWAY: gateway, ON_DISK: on_disk}
        proxy = Proxy.start(stack, folder, f"{HOST}:{server.port}")
        return Buckets(
            _hits(gateway, files, 2 * rounds, seconds),
            [_first(gateway, proxy, server, size, rounds) for size in FIRST],
            [_stored(gateways, server, files, size, rounds) for size in STORED],
        )


def _hits(gateway: Gateway, files: Path, rounds: int, seconds: float) -> list[Hit]:
    """Compare objects in nginx's cache with files in the page cache."""
    for size in SIZES:
        name = Cell(size, 1).file
        content = (files / name).read_bytes()
        for path in (name, f"{_PLACE}{name}"):
            load.check(gateway.link(path), content)
    cached = sum(path.is_file() for path in gateway.byte_cache.rglob("*"))
    expected = sum(slices(size) for size in SIZES)
    if cached != expected:
        raise SystemExit(f"{cached} slices of {expected} are in nginx's cache")

    def compare(what: str, size: int, urls: Callable[[str], list[str]]) -> Hit:
        cell = Cell(size, CONNECTIONS)

        def runner(path: str) -> Spent:
            before = processor.spent()
            taken = load.run(urls(path), connections=CONNECTIONS, seconds=seconds)
            after = processor.spent()
            return (after - before) / (
                taken.bytes / MIB if cell.is_large else taken.requests
            )

        runners = {
            place: partial(runner, f"{place}{cell.file}") for place in ("", _PLACE)
        }
        shown = f"{size_name(size)}, {what}"
        taken = interleaved(runners, rounds, f"from the cache: {shown}")
        return Hit(shown, size, taken[""], taken[_PLACE])

    return [
        *(compare(HOT, size, lambda path: [gateway.link(path)]) for size in SIZES),
        compare(SEEKS, BIG, lambda path: large.seeks(gateway.link(path), BIG)),
        compare(COLD, SMALL, lambda path: gateway.links(path, COLD_LINKS)),
    ]


def slices(size: int) -> int:
    """Return the number of slices of an object of *size* bytes."""
    return -(-size // SLICE)


def _first(
    gateway: Gateway, proxy: Proxy, server: SeaweedFS, size: int, rounds: int
) -> Transfer:
    """Compare first downloads; each contestant has new objects in each round."""
    number, names = FIRST[size], count()

    def presign(key: str) -> str:
        return obstore.sign(server.store, "GET", key, _LIFE)

    contestants: dict[str, tuple[Callable[[str], str], Processes]] = {
        DIRECT: (presign, tuple),
        PROXY: (
            lambda key: proxy.through(presign(key)),
            partial(descendants, proxy.pid),
        ),
        GATEWAY: (gateway.link, partial(_answering, gateway)),
    }

    def runner(url: Callable[[str], str], between: Processes) -> Cost:
        keys = [f"{_PLACE}first/{size}/{next(names)}.bin" for _ in range(number)]
        contents = [os.urandom(size) for _ in range(number)]
        for key, content in zip(keys, contents, strict=True):
            server.put(key, content)
        urls = [url(key) for key in keys]
        received = bytearray(size)

        def work() -> None:
            for content in fetched(urls, received):
                if content != size:
                    raise SystemExit(f"{content} bytes instead of {size}")

        cost = _cost(work, number, between, server.pid)
        if received != contents[-1]:
            raise SystemExit(f"{urls[-1]}: other bytes than those of the object")
        return cost

    runners = {name: partial(runner, *each) for name, each in contestants.items()}
    shown = f"{size_name(size)}, first download"
    return Transfer(shown, interleaved(runners, rounds, shown))


def fetched(urls: Sequence[str], body: bytearray) -> Iterator[int]:
    """Download *urls* into *body*, on one connection; yield the size of each answer."""
    parts = urlsplit(urls[0])
    peer = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    view = memoryview(body)
    for url in urls:
        peer.request("GET", url.removeprefix(f"{parts.scheme}://{parts.netloc}"))
        answer = peer.getresponse()
        if answer.status != http.client.OK:
            raise SystemExit(f"{url}: {answer.status}")
        size = 0
        while more := answer.readinto(view[size:]):
            size += more
        yield size
    peer.close()


def _stored(
    gateways: dict[str, Gateway],
    server: SeaweedFS,
    files: Path,
    size: int,
    rounds: int,
) -> Transfer:
    """Compare uploads through gateways with the bucket's own client."""
    number, file = STORED[size], files / Cell(size, 1).file

    def through(gateway: Gateway) -> tuple[Callable[[], object], Processes]:
        token = gateway.run("tokens", "new", "admin", "--scope", "upload").strip()
        return lambda: uploads.put(gateway, token, file), partial(_answering, gateway)

    contestants: dict[str, tuple[Callable[[], object], Processes]] = {
        CLIENT: (lambda: obstore.put(server.store, "direct.bin", file), tuple),
        **{name: through(gateway) for name, gateway in gateways.items()},
    }

    def runner(upload: Callable[[], object], between: Processes) -> Cost:
        def work() -> None:
            for _ in range(number):
                upload()

        return _cost(work, number, between, server.pid)

    runners = {name: partial(runner, *each) for name, each in contestants.items()}
    shown = f"{size_name(size)}, upload"
    return Transfer(shown, interleaved(runners, rounds, shown))


def _answering(gateway: Gateway) -> list[int]:
    """Return the processes that answer requests: not housekeeping."""
    return [*gateway.processes("nginx"), *gateway.processes("gunicorn")]


def _cost(
    work: Callable[[], None], number: int, between: Processes, server: int
) -> Cost:
    """Return the cost of *work*, which this process does, per file of *number*."""

    def taken() -> tuple[float, ...]:
        return (
            time.perf_counter(),
            time.process_time(),
            processor.seconds(between()),
            processor.seconds([server]),
        )

    before = taken()
    work()
    return Cost(
        *((end - start) / number for end, start in zip(taken(), before, strict=True))
    )
