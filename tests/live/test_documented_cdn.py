"""The nginx of docs/cdn.md stores what may be shared, and nothing beyond its time."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.live.machine import Machine, a_machine
from tests.live.shown import PLACE, blocks
from tests.live.stack import ORIGIN, NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage

#: Seconds: longer than the tests take.
SHARED: Final = 600
#: More than one slice.
LARGE: Final = os.urandom(5 * 2**20)


class Answer(NamedTuple):
    """An answer of the cache."""

    status: int
    headers: HTTPMessage
    content: bytes

    @property
    def cache(self) -> str | None:
        """What nginx says of its copy; None if it looked for none."""
        return self.headers["X-Cache-Status"]


class Cache:
    """The page's nginx, before a gateway."""

    def __init__(self, machine: Machine, stack: NativeStack) -> None:
        self.machine = machine
        self.stack = stack

    def sign(self, path: str, **claims: Any) -> str:
        """Return the path of a shared link, or of another."""
        url = self.stack.sign(path, **{"shared": True, **claims})
        return url.removeprefix(self.stack.url)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Request *path* over TLS."""
        with self.machine.connect() as connection:
            connection.begin(method, path, **headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def purge(self, token: str) -> None:
        """Type what the page shows."""
        (shown,) = blocks("docs/cdn.md", "sh", section="## nginx")
        script = self.machine.moved(shown).replace("TOKEN", token)
        subprocess.run(["sh", "-eu", "-c", script], check=True)

    def slices(self) -> int:
        """Return the number of slices that are stored."""
        folder = self.machine.root / "var/cache/gateway"
        return sum(path.is_file() for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def cache() -> Iterator[Cache]:
    (page,) = blocks("docs/cdn.md", "nginx")
    stack = NativeStack(
        GATEWAY_PUBLIC_URL=PLACE,
        GATEWAY_TRUSTED_PROXIES="127.0.0.1/32",
        GATEWAY_SHARED_MAX_AGE=str(SHARED),
    )
    with a_machine() as machine:
        place = f"listen 127.0.0.1:{machine.port} ssl"
        shown = page.replace(f"proxy_pass {PLACE}", f"proxy_pass {stack.url}")
        machine.write(
            "/etc/nginx/conf.d/gateway-cache.conf",
            shown.replace("listen 443 ssl", place),
        )
        with stack.running(), machine.running():
            yield Cache(machine, stack)


def test_a_shared_file_comes_from_the_cache_the_second_time(cache: Cache) -> None:
    cache.stack.put("c/shared.txt", b"shared\n")
    url = cache.sign("c/shared.txt")
    first = cache.ask(url)
    stored = time.time()
    wait_until(lambda: time.time() >= int(stored) + 1, what="the next second")
    second = cache.ask(url)
    assert [(a.status, a.content, a.cache) for a in (first, second)] == [
        (200, b"shared\n", "MISS"),
        (200, b"shared\n", "HIT"),
    ]
    assert first.headers["Cache-Control"].endswith(f", s-maxage={SHARED}")
    # With the Date of the gateway's answer, a browser knows how old the copy is.
    for same in ("Cache-Control", "Date", "ETag", "X-Request-ID"):
        assert first.headers[same] == second.headers[same]


def test_any_other_file_is_fetched_each_time(cache: Cache) -> None:
    cache.stack.put("c/private.txt")
    url = cache.sign("c/private.txt", shared=False)
    first, second = cache.ask(url), cache.ask(url)
    assert [(a.status, a.cache) for a in (first, second)] == [(200, None)] * 2
    assert first.headers["Cache-Control"].startswith("private, ")
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def test_a_stored_file_ends_with_its_link(cache: Cache) -> None:
    cache.stack.put("c/short.txt")
    end = int(time.time()) + 4
    url = cache.sign("c/short.txt", expires=datetime.fromtimestamp(end, UTC))
    seen: list[tuple[float, float, Answer]] = []

    def is_over() -> bool:
        before = time.time()
        answer = cache.ask(url)
        seen.append((before, time.time(), answer))
        return answer.status == 410

    wait_until(is_over, what="the link is over")
    assert "HIT" in {answer.cache for _, _, answer in seen}
    assert all(answer.status == 200 for _, after, answer in seen if after < end)
    assert all(answer.status == 410 for before, _, answer in seen if before >= end)


def test_a_revoked_link_is_served_until_it_is_purged(cache: Cache) -> None:
    cache.stack.put("c/revoked.bin", LARGE)
    url, other = cache.sign("c/revoked.bin"), cache.sign("c/revoked.bin", rate=10**9)
    assert [cache.ask(u).cache for u in (url, url, other)] == ["MISS", "HIT", "MISS"]
    cache.stack.gateway("revoke", f"{cache.stack.url}{url}")
    cache.stack.let_verdicts_end()
    assert (cache.ask(url).status, cache.ask(url).cache) == (200, "HIT")
    before = cache.slices()
    cache.purge(url.split("/")[2])
    assert [cache.ask(u).status for u in (url, other)] == [410, 200]
    assert (before - cache.slices(), cache.ask(other).cache) == (2, "HIT")


def test_ranges_are_fetched_and_stored_in_slices(cache: Cache) -> None:
    cache.stack.put("c/film.bin", LARGE)
    url, before = cache.sign("c/film.bin"), cache.slices()
    first, again = (cache.ask(url, Range="bytes=5000000-5000009") for _ in range(2))
    assert [(a.status, a.content, a.cache) for a in (first, again)] == [
        (206, LARGE[5_000_000:5_000_010], "MISS"),
        (206, LARGE[5_000_000:5_000_010], "HIT"),
    ]
    assert first.headers["Content-Range"] == f"bytes 5000000-5000009/{len(LARGE)}"
    assert cache.slices() == before + 1
    whole = cache.ask(url)
    assert (whole.status, whole.content == LARGE) == (200, True)
    assert cache.slices() == before + 2


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("HEAD", {}, 200, id="HEAD"),
        pytest.param("GET", {"If_None_Match": "*"}, 304, id="unchanged"),
        pytest.param("GET", {"Range": "bytes=9-"}, 416, id="beyond the end"),
        pytest.param("GET", {"Range": "bytes=9999999-"}, 416, id="in no slice"),
    ],
)
def test_a_copy_answers_as_the_gateway_does(
    cache: Cache, method: str, headers: dict[str, str], status: int
) -> None:
    path = f"c/{method}-{status}-{len(headers)}.txt"
    cache.stack.put(path, b"a copy\n")
    url = cache.sign(path)
    for _ in range(2):
        assert cache.ask(url).content == b"a copy\n"
        answer = cache.ask(url, method, **headers)
        assert (answer.status, b"a copy" in answer.content) == (status, False)


@pytest.mark.parametrize("start", [9, 9_999_999], ids=["in a slice", "in no slice"])
def test_a_range_past_the_end_is_for_no_cache_behind_this_one(
    cache: Cache, start: int
) -> None:
    path = f"c/past-{start}.txt"
    cache.stack.put(path, b"a copy\n")
    url = cache.sign(path)
    cache.ask(url)
    answer = cache.ask(url, Range=f"bytes={start}-")
    assert answer.status == 416
    assert "no-store" in answer.headers.get_all("Cache-Control", [])


def test_a_refusal_is_not_stored(cache: Cache) -> None:
    url = cache.sign("c/late.txt")
    first, second = cache.ask(url), cache.ask(url)
    assert [(a.status, a.cache) for a in (first, second)] == [(404, "MISS")] * 2
    cache.stack.put("c/late.txt")
    assert cache.ask(url).status == 200


def test_scripts_of_an_allowed_origin_may_read_a_copy_that_others_fetched(
    cache: Cache,
) -> None:
    cache.stack.put("c/read.txt")
    url = cache.sign("c/read.txt")
    origins = [{}, {"Origin": ORIGIN}, {"Origin": ORIGIN}, {}]
    answers = [cache.ask(url, **origin) for origin in origins]
    assert [a.headers["Access-Control-Allow-Origin"] for a in answers] == [
        *(None, ORIGIN, ORIGIN, None),
    ]
    assert answers[2].cache == "HIT"


def test_with_the_page_s_command_the_cache_sees_one_url(cache: Cache) -> None:
    cache.stack.put("videos/intro.mp4")
    (shown,) = blocks("docs/cdn.md", "sh", section="## Share a link")
    _, *command = shown.split()
    urls = [cache.stack.gateway(*command).strip() for _ in range(2)]
    cache.stack.tokens.add(urls[0].split("/")[4])
    answers = [cache.ask(url.removeprefix(PLACE)) for url in urls]
    assert [answer.cache for answer in answers] == ["MISS", "HIT"]
