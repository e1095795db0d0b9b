"""The arithmetic of docs/security.md is that of the paces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.catalog.login_attempts import ACCOUNT, ADDRESS, BROWSER, NETWORK, Pace

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text()
DAY = 86_400


def tries_of(pace: Pace, seconds: int, count: int = 0) -> int:
    """Return how many tries a guesser has in so long, each as soon as it may come."""
    clock, made = 0, 0
    while clock + pace.wait(count + made) <= seconds:
        clock += pace.wait(count + made)
        made += 1
    return made


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        pytest.param(NETWORK, "| 5 | 2 s, 4 s, 8 s, ... | 900 s |", id="network"),
        pytest.param(BROWSER, "| 5 | 2 s, 4 s, 8 s, ... | 900 s |", id="browser"),
        pytest.param(ACCOUNT, "| 20 | 1 s, 2 s, 4 s, ... | 15 s |", id="account"),
        pytest.param(ADDRESS, "| 50 | 2 s, 4 s, 8 s, ... | 60 s |", id="address"),
    ],
)
def test_the_page_has_each_pace(pace: Pace, words: str) -> None:
    """Free tries, the first waits, and the longest."""
    waits = [pace.wait(pace.free + n) for n in range(3)]
    shown = ", ".join(f"{wait} s" for wait in waits)
    assert words == f"| {pace.free} | {shown}, ... | {pace.most} s |"
    assert words in PAGE


@pytest.mark.parametrize(
    ("pace", "first", "later"),
    [
        pytest.param(NETWORK, 108, 96, id="one network"),
        pytest.param(ACCOUNT, 5783, 5760, id="any number of networks"),
        pytest.param(BROWSER, 108, 96, id="a stolen cookie"),
        pytest.param(ADDRESS, 1493, 1440, id="one address, any account"),
    ],
)
def test_the_page_counts_the_guesses_of_a_day(
    pace: Pace, first: int, later: int
) -> None:
    """What the table says is what a guesser gets."""
    known = pace.free + 20
    assert (tries_of(pace, DAY), tries_of(pace, DAY, known)) == (first, later)
    shown = set(re.findall(r"[0-9,]*[0-9]", PAGE))
    assert {f"{first:,}", f"{later:,}"} <= shown
