"""Damaged links through nginx: each leads to the clean one, and no other does."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.live.stack import fresh_client
from tests.live.test_drops import Box
from tests.live.test_shares import leased, link
from tests.vectors.damages import EVERY, INSIDE, QUERIES, SPELLINGS, damaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.live.stack import Stack

CONTENT = b"the content\n"
NAME = "Q3 (final) \u00e4.txt"


class Answer(NamedTuple):
    status: int
    location: str | None
    headers: dict[str, str]
    body: bytes


def asked(stack: Stack, url: str, method: str = "GET", **headers: str) -> Answer:
    """Ask for a URL letter for letter, as requests would not."""
    connection = HTTPConnection("127.0.0.1", stack.port, timeout=20)
    said = {"X-Forwarded-For": fresh_client(), **headers}
    connection.request(method, url.removeprefix(stack.url), headers=said)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    found = dict(answer.getheaders())
    return Answer(answer.status, found.get("Location"), found, body)


@pytest.fixture
def signed(stack: Stack) -> str:
    stack.put(f"r/{NAME}", CONTENT)
    url = stack.sign(f"r/{NAME}")
    # No part of a broken token is logged, either.
    token = url.split("/")[4]
    stack.tokens.add(token[len(token) // 2 :])
    return url


@pytest.fixture
def drop(stack: Stack) -> str:
    box = Box(stack, "--title", "Photos")
    stack.tokens |= {box.code.upper(), box.code[20:], box.code.upper()[20:]}
    return box.url


@pytest.fixture
def share(stack: Stack) -> str:
    stack.put(f"r/{NAME}", CONTENT)
    url = link(stack, f"r/{NAME}")
    code = url.rpartition("/")[2]
    stack.tokens |= {code.upper(), code[20:], code.upper()[20:]}
    return url


def outcomes(
    stack: Stack, link: str, damages: Iterable[tuple[str, str]]
) -> dict[str, tuple[int, str | None]]:
    """Return what is answered to each damage of a link."""
    asked_for = {name: damaged(text, link) for name, text in damages}
    answers = {name: asked(stack, url) for name, url in asked_for.items()}
    return {name: answer[:2] for name, answer in answers.items()}


def clean(stack: Stack, link: str) -> tuple[int, str]:
    return 308, link.removeprefix(stack.url)


def all_clean(
    stack: Stack, link: str, damages: dict[str, str]
) -> dict[str, tuple[int, str | None]]:
    """Return the clean link for each damage; a code may have no 0 to be spelt O."""
    spelt = {name: damaged(text, link) for name, text in damages.items()}
    return {
        name: (200, None) if text == link else clean(stack, link)
        for name, text in spelt.items()
    }


@pytest.mark.database
@pytest.mark.docker
def test_each_damage_of_a_signed_url_leads_to_the_clean_one(
    stack: Stack, signed: str
) -> None:
    found = outcomes(stack, signed, EVERY.items())
    assert found == all_clean(stack, signed, EVERY)
    assert asked(stack, signed).body == CONTENT


def test_each_damage_of_a_drop_link_leads_to_the_clean_one(
    stack: Stack, drop: str
) -> None:
    damages = EVERY | SPELLINGS
    found = outcomes(stack, drop, damages.items())
    assert found == all_clean(stack, drop, damages)
    assert b"Photos" in asked(stack, drop).body


@pytest.mark.database
@pytest.mark.docker
def test_each_damage_of_a_share_link_leads_to_the_clean_one(
    stack: Stack, share: str
) -> None:
    damages = EVERY | SPELLINGS
    found = outcomes(stack, share, damages.items())
    assert found == all_clean(stack, share, damages)
    assert asked(stack, share).body == CONTENT


def test_each_damage_of_a_lease_leads_to_the_clean_one(stack: Stack) -> None:
    stack.put(f"leased/{NAME}", CONTENT)
    url = leased(stack, link(stack, "leased/"), item=f"1/{NAME}")
    stack.tokens.add(url.split("/")[4][20:])
    found = outcomes(stack, url, EVERY.items())
    assert found == all_clean(stack, url, EVERY)
    assert asked(stack, url).body == CONTENT


def test_a_query_is_no_damage(stack: Stack, signed: str, drop: str, share: str) -> None:
    for url in (signed, drop, share):
        found = outcomes(stack, url, QUERIES.items())
        assert found == dict.fromkeys(QUERIES, (200, None))


def test_the_way_to_the_clean_link_is_kept_by_nobody_and_told_to_nobody(
    stack: Stack, signed: str, drop: str, share: str
) -> None:
    for url in (signed, drop, share):
        answer = asked(stack, f"{url}.", "HEAD", Accept="application/json")
        assert answer[:2] == clean(stack, url)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.body == b""


def test_a_range_of_a_damaged_link_is_one_of_the_clean_one(
    stack: Stack, signed: str
) -> None:
    led = asked(stack, f"{signed}).", Range="bytes=4-")
    got = asked(stack, led.location or "", Range="bytes=4-")
    assert (led.status, got.status, got.body) == (308, 206, CONTENT[4:])


def test_what_was_over_is_over_behind_the_redirect(stack: Stack) -> None:
    # A name of its own: of the same second the same link may be another test's.
    stack.put("r/revoked.txt")
    url = stack.sign("r/revoked.txt")
    stack.gateway("revoke", url)
    stack.let_verdicts_end()
    assert asked(stack, f"{url}.")[:2] == clean(stack, url)
    assert asked(stack, url).status == 410


def test_whether_there_is_a_file_is_not_learnt(stack: Stack, signed: str) -> None:
    missing = stack.sign("r/missing.txt")
    assert asked(stack, f"{missing}.")[:2] == clean(stack, missing)
    assert asked(stack, missing).status == 404
    forged = signed.replace("/r/", "/R/")
    assert asked(stack, f"{forged}.")[:2] == (404, None)


def test_nothing_is_led_anywhere_by_another_method(
    stack: Stack, signed: str, drop: str, share: str
) -> None:
    for good in (signed, drop, share):
        url = damaged(INSIDE["line feed inside"], good)
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = asked(stack, url, method, **{"Content-Length": "0"})
            assert answer.location is None
            assert answer.status != 308


@pytest.mark.parametrize("kept", [-1, -20, 30], ids=["a letter", "a line", "most"])
def test_a_cut_link_is_told_with_a_box_for_the_whole_one(
    stack: Stack, signed: str, drop: str, share: str, kept: int
) -> None:
    for url in (signed.partition("/r/")[0], drop, share):
        answer = asked(stack, url[:kept], Accept="text/html")
        assert answer.status == 404
        assert b"Paste the whole link" in answer.body
        assert b'action="/open"' in answer.body
        assert len(answer.body) <= 8192


def test_a_link_that_is_cut_within_an_escape_has_the_box_too(
    stack: Stack, signed: str
) -> None:
    answer = asked(stack, signed[: signed.index("%") + 2], Accept="text/html")
    assert answer.status == 400
    assert b"Paste the whole link" in answer.body
    assert b'action="/open"' in answer.body
    assert len(answer.body) <= 8192


@pytest.mark.database
@pytest.mark.docker
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{link}", id="as it was sent"),
        pytest.param("see <{head}=\r\n{tail}>, please", id="damaged"),
        pytest.param("https://urldefense.com/v3/__{link}__;!!x!y$", id="wrapped"),
    ],
)
def test_a_pasted_link_leads_to_the_clean_one(
    stack: Stack, drop: str, text: str
) -> None:
    fields = {"link": damaged(text, drop)}
    answer = stack.send(f"{stack.url}/open", "POST", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        drop.removeprefix(stack.url),
    )
    assert stack.send(f"{stack.url}/open").status_code == 200
