"""Kept verdicts: Flask is asked seldom, and nothing outlives its time by that."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.stack import NativeStack, Stack, fresh_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: Seconds: longer than a test takes to ask.
TTL: Final = 60
#: Seconds, where a test waits for the end of a verdict.
BRIEF_TTL: Final = 3
#: Requests at a time.
CROWD: Final = 16


@pytest.fixture(scope="module")
def kept() -> Iterator[NativeStack]:
    with NativeStack(GATEWAY_VERDICT_TTL=str(TTL)).running() as stack:
        yield stack


@pytest.fixture(scope="module")
def brief() -> Iterator[NativeStack]:
    """Give a gateway whose verdicts are soon over."""
    with NativeStack(GATEWAY_VERDICT_TTL=str(BRIEF_TTL)).running() as stack:
        yield stack


@pytest.fixture
def url(kept: NativeStack, request: pytest.FixtureRequest) -> str:
    """Return a new link to a new file."""
    path = f"v/{abs(hash(request.node.name))}.txt"
    kept.put(path, b"kept\n")
    return kept.sign(path)


def crowd(stack: Stack, url: str, **options: Any) -> set[int]:
    """Ask for *url* many times at once; return the statuses."""
    with ThreadPoolExecutor(CROWD) as pool:
        answers = pool.map(lambda _: stack.send(url, **options), range(CROWD))
        return {answer.status_code for answer in answers}


def verdicts(stack: Stack, client: str, count: int) -> list[str]:
    """Return what the access log says of the cache for *count* requests of *client*.

    Sorted: each worker writes its lines when it has some.
    """
    return sorted(row["verdict_cache"] for row in rows(stack, client, count))


def rows(stack: Stack, client: str, count: int) -> list[dict[str, Any]]:
    """Return the access log's rows of *client*, when there are *count*."""

    def found() -> list[dict[str, Any]]:
        return [row for row in stack.logged() if row["client"] == client]

    wait_until(lambda: len(found()) >= count, what="every request is logged")
    return found()


def test_a_link_that_is_asked_for_again_is_not_judged_again(
    kept: NativeStack, url: str
) -> None:
    client = fresh_client()
    statuses = {kept.send(url, client=client).status_code for _ in range(12)}
    assert statuses == {200}
    assert verdicts(kept, client, 12) == [*["HIT"] * 10, "MISS", "MISS"]


def test_every_method_range_query_and_condition_shares_one_verdict(
    kept: NativeStack, url: str
) -> None:
    client = fresh_client()
    first, _ = (kept.send(url, client=client) for _ in range(2))
    etag = first.headers["ETag"]
    answers = [
        kept.send(url, "HEAD", client),
        kept.send(f"{url}?utm_source=mail", client=client),
        kept.send(url, client=client, headers={"Range": "bytes=1-2"}),
        kept.send(url, client=client, headers={"Range": "bytes=99-"}),
        kept.send(url, client=client, headers={"If-None-Match": etag}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 206, 416, 304]
    assert answers[2].content == b"ep"
    assert verdicts(kept, client, 7) == [*["HIT"] * 5, "MISS", "MISS"]


def test_a_crowd_at_a_new_link_is_one_question(kept: NativeStack) -> None:
    """Or two: what is asked for once is not worth keeping."""

    def asks_as_one() -> bool:
        # (!) Those that wait for longer than 20 ms ask, too.
        client = fresh_client()
        new = kept.sign("v/crowd.txt", name=token_hex(4))
        assert kept.send(new, client=client).status_code == 200
        assert crowd(kept, new, client=client) == {200}
        seen = verdicts(kept, client, CROWD + 1)
        return seen.count("HIT") >= CROWD // 2

    kept.put("v/crowd.txt")
    wait_until(asks_as_one, seconds=60, what="a crowd is one question")


def test_a_hot_link_that_is_revoked_is_dead_within_the_time(
    brief: NativeStack,
) -> None:
    brief.put("v/hot.txt")
    url = brief.sign("v/hot.txt")
    with ThreadPoolExecutor(2) as pool:
        revoked = False

        def keep_asking() -> list[int]:
            statuses = []
            while not revoked or time.time() < over + 2:
                asked = time.time()
                status = brief.send(url).status_code
                statuses += [status] if revoked and asked > over else []
            return statuses

        over = float("inf")
        asking = [pool.submit(keep_asking) for _ in range(2)]
        try:
            brief.gateway("revoke", url)
        finally:  # or they would ask for ever
            over = time.time() + BRIEF_TTL
            revoked = True
        late = [status for each in asking for status in each.result()]
    assert set(late) == {410}


def test_an_idle_link_that_is_revoked_does_not_work_once_more(
    brief: NativeStack,
) -> None:
    """Its verdict lies in the cache, and is over: nobody gets it."""
    brief.put("v/idle.txt")
    url = brief.sign("v/idle.txt")
    assert {brief.send(url).status_code for _ in range(3)} == {200}
    brief.gateway("revoke", url)
    idle = time.time() + BRIEF_TTL + 1
    wait_until(lambda: time.time() > idle, what="the link has been idle for a while")
    assert crowd(brief, url) == {410}


def test_a_verdict_ends_with_its_link_to_the_second(kept: NativeStack) -> None:
    kept.put("v/short.txt")
    end = int(time.time()) + 3
    url = kept.sign("v/short.txt", expires=datetime.fromtimestamp(end, UTC))
    seen: list[tuple[float, float, int]] = []

    def is_over() -> bool:
        before = time.time()
        status = kept.send(url).status_code
        seen.append((before, time.time(), status))
        return status == 410

    wait_until(is_over, what="the link is over")
    assert all(status == 200 for _, after, status in seen if after < end)
    assert all(status == 410 for before, _, status in seen if before >= end)


def test_a_link_begins_when_it_is_to_although_it_was_refused_before(
    kept: NativeStack,
) -> None:
    kept.put("v/early.txt")
    # Forgiven for a minute before: a clock that runs ahead.
    begin = int(time.time()) + 5
    url = kept.sign("v/early.txt", not_before=datetime.fromtimestamp(begin + 60, UTC))
    assert crowd(kept, url) == {403}
    wait_until(lambda: time.time() >= begin, seconds=30, what="its time has come")
    assert crowd(kept, url) == {200}


def test_a_link_to_certain_networks_is_judged_each_time(kept: NativeStack) -> None:
    kept.put("v/bound.txt")
    url = kept.sign("v/bound.txt", networks=["192.0.2.0/24"])
    statuses = [
        kept.send(url, client=client).status_code
        for client in ("192.0.2.1", "192.0.2.1", "198.51.100.1", "192.0.2.2")
    ]
    assert statuses == [200, 200, 403, 200]
    assert set(verdicts(kept, "192.0.2.1", 2)) == {""}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Cookie": "session=x"}, id="cookie"),
        pytest.param({"Authorization": "Bearer x"}, id="token"),
        pytest.param({"Accept": "application/json"}, id="accept"),
    ],
)
def test_nothing_that_one_client_sends_counts_for_another(
    kept: NativeStack, url: str, headers: dict[str, str]
) -> None:
    answers = [kept.send(url, headers=headers) for _ in range(3)]
    answers.append(kept.send(url))
    assert {answer.content for answer in answers} == {b"kept\n"}


def test_a_refusal_is_not_kept(kept: NativeStack) -> None:
    url = kept.sign("v/late.txt")
    assert {kept.send(url).status_code for _ in range(4)} == {404}
    kept.put("v/late.txt")
    assert kept.send(url).status_code == 200


def test_a_refusal_is_asked_for_once(kept: NativeStack) -> None:
    client = fresh_client()
    url = kept.sign("v/nowhere.txt")
    assert kept.send(url, client=client).status_code == 404
    [row] = rows(kept, client, 1)
    assert (row["reason"], row["verdict_cache"]) == ("not-servable:missing", "MISS")


def test_the_verdicts_are_for_the_gateway_alone(kept: NativeStack, url: str) -> None:
    for _ in range(3):
        assert kept.send(url).status_code == 200
    folder = kept.home / "verdicts"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert any(url.split("/")[4] in path.read_text("latin-1") for path in _files(kept))


def _files(stack: NativeStack) -> list[Path]:
    folder = stack.home / "verdicts"
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_client_can_ask_for_the_verdict_itself(kept: NativeStack, url: str) -> None:
    bound = kept.sign("v/bound-too.txt", networks=["192.0.2.0/24"])
    kept.put("v/bound-too.txt", b"kept\n")
    headers = {"X-Verdict": "asked"}
    answers = [
        kept.send(url, headers=headers),
        kept.send(bound, client="192.0.2.1", headers=headers),
    ]
    assert {answer.content for answer in answers} == {b"kept\n"}
    assert not [answer for answer in answers if "X-Accel-Target" in answer.headers]
    assert kept.send(f"{kept.url}/_verdict").status_code == 404
