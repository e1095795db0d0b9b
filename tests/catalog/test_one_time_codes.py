"""One-time codes: one a recipient, guessed five times, and mailed now and then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from unittest.mock import Mock

import pytest

from gateway.catalog import one_time_codes, outbox, recipients, shares
from gateway.catalog.one_time_codes import LIFE, MAILS, PAUSE, TRIES
from gateway.catalog.outbox import MailState
from gateway.catalog.recipients import NewRecipient, Recipient
from gateway.errors import TooManyCodesError
from tests.catalog.test_outbox import change, due, share, states

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.users import User

NOW: Final = 1_900_000_000
DAY: Final = 86_400
#: Stand for MACs.
RIGHT, WRONG, NEWER = "right", "wrong", "newer"


@pytest.fixture
def link(database: Database) -> Recipient:
    made = share(database, None)
    with database.write() as connection:
        (one,) = recipients.add(
            connection, made, [NewRecipient("r@example.com")], now=NOW
        )
    return one


def mail(
    database: Database, link: Recipient, *, now: int = NOW, mac: str = RIGHT
) -> int:
    """Have a code mailed; return after how long to come again, 0 if it is mailed."""
    try:
        with database.write() as connection:
            one_time_codes.mail(connection, link, None, code="123456", mac=mac, now=now)
    except TooManyCodesError as error:
        return error.retry_after
    return 0


def spend(
    database: Database, link: Recipient, mac: str = RIGHT, *, now: int = NOW
) -> bool:
    with database.write() as connection:
        return one_time_codes.spend(connection, link, mac, now=now)


def left(database: Database, link: Recipient, *, now: int = NOW) -> int:
    with database.read() as connection:
        return one_time_codes.tries_left(connection, link, now=now)


def end_mails(database: Database, state: MailState, *, now: int) -> None:
    for each in due(database, now=now):
        change(database, outbox.finish, each, state, "", now=now)


def test_a_code_is_good_once(database: Database, link: Recipient) -> None:
    mail(database, link)
    assert [spend(database, link) for _ in range(2)] == [True, False]


def test_a_code_is_one_recipient_s(database: Database, link: Recipient) -> None:
    mail(database, link)
    with database.write() as connection:
        made = shares.by_id(connection, link.share_id)
        assert made is not None
        (other,) = recipients.add(connection, made, [NewRecipient("s@b.c")], now=NOW)
    assert (spend(database, other), spend(database, link)) == (False, True)


@pytest.mark.parametrize(
    ("wrong", "is_right"),
    [
        pytest.param(TRIES - 1, True, id="the last try"),
        pytest.param(TRIES, False, id="one try too many"),
    ],
)
def test_a_code_is_guessed_at_five_times(
    database: Database, link: Recipient, wrong: int, *, is_right: bool
) -> None:
    mail(database, link)
    guesses = [spend(database, link, WRONG) for _ in range(wrong)]
    assert (any(guesses), left(database, link)) == (False, TRIES - wrong)
    assert spend(database, link) == is_right


def test_of_fifty_guesses_at_once_five_are_compared(
    database: Database, link: Recipient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail(database, link)
    compared = Mock(return_value=False)
    module = Mock(compare_digest=compared)
    monkeypatch.setattr("gateway.catalog.one_time_codes.hmac", module)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: spend(database, link, f"{n}"), range(50)))
    assert compared.call_count == TRIES


def test_of_many_who_have_the_code_one_uses_it(
    database: Database, link: Recipient
) -> None:
    mail(database, link)
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda _: spend(database, link), range(16)))
    assert sum(used) == 1


@pytest.mark.parametrize(
    ("now", "is_good"),
    [
        pytest.param(NOW + LIFE - 1, True, id="the last second"),
        pytest.param(NOW + LIFE, False, id="ten minutes"),
        pytest.param(NOW - 1, False, id="a clock that was ahead"),
    ],
)
def test_a_code_lasts_ten_minutes(
    database: Database, link: Recipient, now: int, *, is_good: bool
) -> None:
    mail(database, link)
    assert (left(database, link, now=now) > 0) == is_good
    assert spend(database, link, now=now) == is_good


def test_a_newer_code_takes_the_place_of_one_that_was_guessed_at(
    database: Database, link: Recipient
) -> None:
    mail(database, link)
    for _ in range(TRIES):
        spend(database, link, WRONG)
    end_mails(database, MailState.ACCEPTED, now=NOW)
    mail(database, link, now=NOW + PAUSE, mac=NEWER)
    assert left(database, link, now=NOW + PAUSE) == TRIES
    assert not spend(database, link, RIGHT, now=NOW + PAUSE)
    assert spend(database, link, NEWER, now=NOW + PAUSE)


# Mails


def test_a_code_is_mailed_once_a_minute(database: Database, link: Recipient) -> None:
    first = mail(database, link)
    end_mails(database, MailState.ACCEPTED, now=NOW)
    waits = [mail(database, link, now=NOW + s) for s in (0, PAUSE - 1, PAUSE)]
    assert (first, waits) == (0, [PAUSE, 1, 0])


def test_a_code_that_comes_too_soon_changes_nothing(
    database: Database, link: Recipient
) -> None:
    mail(database, link)
    mail(database, link, mac=NEWER)
    assert (len(due(database)), spend(database, link)) == (1, True)


def test_five_codes_are_mailed_in_a_day(database: Database, link: Recipient) -> None:
    mailed = []
    for number in range(MAILS):
        mailed.append(mail(database, link, now=NOW + number * PAUSE))
        end_mails(database, MailState.ACCEPTED, now=NOW + number * PAUSE)
    soon = NOW + MAILS * PAUSE
    assert mailed == [0] * MAILS
    assert mail(database, link, now=soon) == NOW + DAY - soon
    assert mail(database, link, now=NOW + DAY - 1) == 1
    assert mail(database, link, now=NOW + DAY) == 0


def test_of_many_who_ask_at_once_one_gets_a_mail(
    database: Database, link: Recipient
) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: mail(database, link), range(16)))
    assert (waits.count(0), len(due(database))) == (1, 1)


def test_a_code_that_waits_for_the_relay_gives_way_to_no_other(
    database: Database, link: Recipient
) -> None:
    """Else one who asks each minute would never get the mail that is tried later."""
    mail(database, link)
    assert mail(database, link, now=NOW + PAUSE, mac=NEWER) == LIFE - PAUSE
    assert spend(database, link, now=NOW + PAUSE)


def test_while_the_relay_is_away_no_day_is_used_up(
    database: Database, link: Recipient
) -> None:
    mailed = []
    for number in range(2 * MAILS):
        mailed.append(mail(database, link, now=NOW + number * LIFE))
        change(database, outbox.settle, now=NOW + (number + 1) * LIFE)
    assert mailed == [0] * (2 * MAILS)


def test_a_code_that_was_sent_counts_as_no_link(database: Database, ann: User) -> None:
    """Neither for its owner's day nor for what is shown of the link's mail."""
    made = share(database, ann, "r@example.com")
    with database.read() as connection:
        (link,) = recipients.of_shares(connection, [made.id])
    with database.write() as connection:
        one_time_codes.mail(connection, link, ann, code="1", mac=RIGHT, now=NOW)
    code = due(database)[-1]
    change(database, outbox.finish, code, MailState.ACCEPTED, "250", now=NOW)
    with database.read() as connection:
        count = outbox.count_of_day(connection, ann, now=NOW)
    assert (code.code, count, states(database, made)) == ("1", 1, ["waiting"])
