"""What a share says and permits is checked once, and every fault is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.catalog import password_hashes
from gateway.errors import BadFieldsError
from gateway.shares.policy import MAXIMUM_TIME, SharePolicy, hash_password

NOW = 1_800_000_000


def faults(policy: SharePolicy, before: SharePolicy | None = None) -> set[str]:
    try:
        policy.checked(now=NOW, before=before)
    except BadFieldsError as error:
        return set(error.faults)
    return set()


@pytest.mark.parametrize(
    ("policy", "wrong"),
    [
        pytest.param(SharePolicy(), set(), id="nothing said"),
        pytest.param(SharePolicy(expires=NOW + 1), set(), id="the next second"),
        pytest.param(SharePolicy(expires=NOW), {"expires"}, id="now"),
        pytest.param(SharePolicy(expires=MAXIMUM_TIME), set(), id="the last second"),
        pytest.param(
            SharePolicy(expires=MAXIMUM_TIME + 1), {"expires"}, id="past all time"
        ),
        pytest.param(
            SharePolicy(not_before=NOW + 9, expires=NOW + 9),
            {"not_before"},
            id="begins when it ends",
        ),
        pytest.param(SharePolicy(not_before=0), {"not_before"}, id="before all time"),
        pytest.param(SharePolicy(max_downloads=1), set(), id="one download"),
        pytest.param(SharePolicy(max_downloads=0), {"max"}, id="no download"),
        pytest.param(SharePolicy(title="x" * 200), set(), id="a title that fits"),
        pytest.param(SharePolicy(title="\ud800"), {"title"}, id="half a character"),
        pytest.param(SharePolicy(lang="de-AT"), set(), id="a language of a country"),
        pytest.param(
            SharePolicy(title="x" * 201, lang="?", max_downloads=0),
            {"title", "lang", "max"},
            id="several",
        ),
    ],
)
def test_each_fault_is_named(policy: SharePolicy, wrong: set[str]) -> None:
    assert faults(policy) == wrong


def test_an_end_that_has_passed_may_stay() -> None:
    over = SharePolicy(expires=NOW - 1)
    assert faults(replace(over, title="New"), before=over) == set()
    assert faults(replace(over, expires=NOW - 2), before=over) == {"expires"}


def test_texts_are_cleaned() -> None:
    policy = SharePolicy(title=" Q3\n re\u202eports ", message="a\u200b \r\nb\tc\n\n")
    clean = policy.checked(now=NOW)
    assert (clean.title, clean.message) == ("Q3 reports", "a\nb   c")


def test_a_password_is_hashed_and_verifies() -> None:
    stored = hash_password("abcd")
    assert password_hashes.verifies(stored, "abcd")
    assert not password_hashes.verifies(stored, "abcD")
    assert not password_hashes.verifies(None, "abcd")


@pytest.mark.parametrize("password", ["", "abc", "x" * 1025], ids=len)
def test_a_password_that_is_too_short_or_long_is_refused(password: str) -> None:
    with pytest.raises(BadFieldsError, match="4 to 1024 characters"):
        hash_password(password)
