"""Mails that are to be sent: each is sent once, or nobody knows, and it is said so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import dump, outbox, recipients, shares
from gateway.catalog.outbox import LIFE, SENDING, Mail, MailState
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.shares import NewItem
from gateway.mail.session import Timeouts

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Share
    from gateway.catalog.users import User

NOW = 1_900_000_000
HOUR = 3600


def share(database: Database, owner: User | None, *to: str) -> Share:
    """Make a share with a mail to each address."""
    with database.write() as connection:
        made = shares.new(
            connection,
            owner,
            [NewItem("a.txt", path="a.txt")],
            now=NOW,
            title="",
            message="",
            lang="",
        )
        added = recipients.add(
            connection, made, [NewRecipient(one) for one in to], now=NOW
        )
        outbox.add(connection, added, owner, now=NOW)
    return made


def links(database: Database, made: Share) -> list[Recipient]:
    with database.read() as connection:
        return recipients.of_shares(connection, [made.id])


def due(database: Database, *, now: int = NOW) -> list[Mail]:
    with database.read() as connection:
        return outbox.due(connection, now=now, limit=100)


def states(database: Database, made: Share) -> list[str]:
    """Return the state of each recipient's mail."""
    found = links(database, made)
    with database.read() as connection:
        mails = outbox.latest(connection, [made.id])
    return [mails[link.id].state if link.id in mails else "none" for link in found]


def change(database: Database, function: Any, *arguments: Any, **more: Any) -> Any:
    with database.write() as connection:
        return function(connection, *arguments, **more)


def settle(database: Database, *, now: int) -> None:
    with database.read() as connection:
        assert not outbox.is_settled(connection, now=now)
    change(database, outbox.settle, now=now)
    with database.read() as connection:
        assert outbox.is_settled(connection, now=now)


def test_a_mail_waits_from_the_moment_that_it_is_written_down(
    database: Database, ann: User
) -> None:
    made = share(database, ann, "a@example.com", "b@example.com")
    assert states(database, made) == ["waiting", "waiting"]
    assert [mail.recipient_id for mail in due(database)] == [
        link.id for link in links(database, made)
    ]
    assert due(database, now=NOW - 1) == []


def test_a_mail_is_begun_once(database: Database) -> None:
    """Two gateways may have read it as due."""
    made = share(database, None, "a@example.com")
    [mail] = due(database)
    begun = [change(database, outbox.begin, mail, now=NOW) for _ in range(2)]
    assert begun == [replace(mail, state=MailState.SENDING), None]
    assert states(database, made) == ["sending"]
    assert due(database) == []


@pytest.mark.parametrize("is_accepted", [False, True], ids=["sending", "accepted"])
def test_who_comes_late_changes_nothing(database: Database, is_accepted: bool) -> None:  # noqa: FBT001
    """The relay said no to another gateway, which had read the mail as due, too."""
    made = share(database, None, "a@example.com")
    [mail] = due(database)
    begun = change(database, outbox.begin, mail, now=NOW)
    if is_accepted:
        change(database, outbox.finish, begun, MailState.ACCEPTED, "250", now=NOW)
    before = states(database, made)
    change(database, outbox.postpone, mail, "451 later", now=NOW)
    change(database, outbox.finish, mail, MailState.REFUSED, "550", now=NOW)
    assert states(database, made) == before
    assert due(database, now=NOW + HOUR) == []


def test_a_relay_that_answers_after_all_has_the_last_word(database: Database) -> None:
    """Meanwhile the clock has jumped, and nobody seemed to send it any more."""
    made = share(database, None, "a@example.com")
    [mail] = due(database)
    begun = change(database, outbox.begin, mail, now=NOW)
    settle(database, now=NOW - 61)
    change(database, outbox.finish, begun, MailState.ACCEPTED, "250", now=NOW)
    assert states(database, made) == ["accepted"]


def test_a_mail_that_a_gateway_ahead_is_sending_is_not_taken_for_lost(
    database: Database,
) -> None:
    share(database, None, "a@example.com")
    [mail] = due(database)
    change(database, outbox.begin, mail, now=NOW + 60)
    with database.read() as connection:
        assert outbox.is_settled(connection, now=NOW)
        assert not outbox.is_settled(connection, now=NOW - 1)


@pytest.mark.parametrize(
    "state", [MailState.ACCEPTED, MailState.REFUSED, MailState.UNKNOWN], ids=str
)
def test_what_became_of_a_mail_is_shown_with_the_words(
    database: Database, state: MailState
) -> None:
    made = share(database, None, "a@example.com")
    [mail] = due(database)
    begun = change(database, outbox.begin, mail, now=NOW)
    change(database, outbox.finish, begun, state, "250 taken", now=NOW + 1)
    with database.read() as connection:
        [found] = outbox.latest(connection, [made.id]).values()
    assert (found.state, found.words, found.changed) == (state, "250 taken", NOW + 1)
    assert states(database, made) == [state]
    assert due(database, now=NOW + LIFE) == []


def test_each_pause_is_longer_up_to_an_hour(database: Database) -> None:
    share(database, None, "a@example.com")
    now = NOW
    for pause in (60, 120, 240, 480, 960, 1920, HOUR, HOUR, HOUR):
        [mail] = due(database, now=now)
        begun = change(database, outbox.begin, mail, now=now)
        change(database, outbox.postpone, begun, "451 later", now=now)
        assert due(database, now=now + pause - 1) == []
        now += pause
    assert len(due(database, now=now)) == 1


def test_while_the_relay_is_away_all_wait_a_minute(database: Database) -> None:
    """That says nothing of the mails: their own pauses are not longer for it."""
    made = share(database, None, "a@example.com", "b@example.com")
    change(database, outbox.postpone_all, "Connection refused", now=NOW)
    assert due(database, now=NOW + 59) == []
    again = due(database, now=NOW + 60)
    assert [(mail.tries, mail.words) for mail in again] == [
        (0, "Connection refused")
    ] * 2
    assert states(database, made) == ["waiting", "waiting"]


def test_after_two_days_a_mail_is_given_up_with_the_last_words(
    database: Database,
) -> None:
    made = share(database, None, "a@example.com")
    [mail] = due(database)
    change(database, outbox.postpone, mail, "451 later", now=NOW + LIFE - 61)
    with database.read() as connection:
        assert outbox.is_settled(connection, now=NOW + LIFE - 1)
    change(database, outbox.postpone, mail, "451 later", now=NOW + LIFE - 1)
    settle(database, now=NOW + LIFE - 1)
    assert states(database, made) == ["given-up"]
    with database.read() as connection:
        [found] = outbox.latest(connection, [made.id]).values()
    assert found.words == "451 later"


def test_a_mail_that_was_being_sent_when_the_gateway_died_is_unknown(
    database: Database,
) -> None:
    """It may have been taken: it is not sent again."""
    made = share(database, None, "a@example.com", "b@example.com")
    first, second = due(database)
    change(database, outbox.begin, first, now=NOW)
    settle(database, now=NOW + SENDING)
    assert states(database, made) == ["unknown", "waiting"]
    assert [mail.id for mail in due(database, now=NOW + SENDING)] == [second.id]


def test_a_mail_that_is_being_sent_is_left_alone(database: Database) -> None:
    """A relay may take all of its time."""
    timeouts = Timeouts()
    assert 2 * timeouts.reply + timeouts.verdict < SENDING
    share(database, None, "a@example.com")
    [mail] = due(database)
    change(database, outbox.begin, mail, now=NOW)
    with database.read() as connection:
        assert outbox.is_settled(connection, now=NOW + SENDING - 1)


def test_what_a_clock_that_was_ahead_wrote_down_is_sent_at_once(
    database: Database,
) -> None:
    made = share(database, None, "a@example.com")
    settle(database, now=NOW - 365 * 86_400)
    [mail] = due(database, now=NOW - 365 * 86_400)
    assert mail.expires == NOW - 365 * 86_400 + LIFE
    assert states(database, made) == ["waiting"]


def test_what_a_clock_that_was_ahead_put_off_is_sent_at_once(
    database: Database,
) -> None:
    made = share(database, None, "a@example.com")
    change(database, outbox.postpone_all, "Connection refused", now=NOW + HOUR)
    settle(database, now=NOW)
    assert [mail.words for mail in due(database)] == ["Connection refused"]
    assert states(database, made) == ["waiting"]


def test_mails_are_counted_by_sender_and_day(database: Database, ann: User) -> None:
    """The operator's are not counted, nor are codes, which recipients ask for."""
    made = share(database, ann, "a@example.com", "b@example.com")
    share(database, None, "c@example.com")
    change(database, outbox.add, links(database, made)[:1], ann, now=NOW, code="1")
    with database.read() as connection:
        counts = [
            outbox.count_of_day(connection, ann, now=NOW + passed)
            for passed in (0, 86_399, 86_400)
        ]
    assert counts == [2, 2, 0]


def test_the_last_mail_with_a_link_is_the_one_that_counts(
    database: Database, ann: User
) -> None:
    made = share(database, ann, "a@example.com")
    [mail] = due(database)
    change(database, outbox.finish, mail, MailState.REFUSED, "550", now=NOW)
    change(database, outbox.add, links(database, made), ann, now=NOW)
    change(database, outbox.add, links(database, made), ann, now=NOW, code="123456")
    assert states(database, made) == ["waiting"]


def test_a_share_goes_with_its_mails(database: Database, ann: User) -> None:
    """Each one names its recipient, who could not go without it."""
    made = share(database, ann, "a@example.com", "b@example.com")
    change(database, shares.revoke, made, now=NOW)
    while change(database, shares.remove_over, before=NOW + 1, limit=1):
        pass
    assert links(database, made) == []
    assert due(database) == []


def test_a_code_is_forgotten_when_its_mail_is_over(database: Database) -> None:
    made = share(database, None)
    with database.write() as connection:
        [link] = recipients.add(
            connection, made, [NewRecipient("a@example.com")], now=1
        )
        outbox.add(connection, [link], None, now=NOW, code="123456", life=600)
    [mail] = due(database)
    assert (mail.code, mail.expires) == ("123456", NOW + 600)
    settle(database, now=NOW + 600)
    change(database, outbox.leave_unknown)
    with database.read() as connection:
        assert "123456" not in "".join(map(str, dump.read(connection)))


def test_nothing_that_a_backup_waited_to_send_is_sent_when_it_is_restored(
    database: Database,
) -> None:
    """It may have been sent since, as far as the backup knows."""
    made = share(database, None, "a@example.com", "b@example.com", "c@example.com")
    first, second, _ = due(database)
    change(database, outbox.begin, first, now=NOW)
    change(database, outbox.finish, second, MailState.ACCEPTED, "250", now=NOW)
    change(database, dump.load, [], without=[])
    assert states(database, made) == ["unknown", "accepted", "unknown"]


def test_mails_that_have_waited_for_long_are_counted(
    database: Database, ann: User
) -> None:
    made = share(database, ann, "a@example.com", "b@example.com")
    first, _ = due(database)
    change(database, outbox.postpone_all, "the relay is away", now=NOW)
    change(database, outbox.finish, first, MailState.GIVEN_UP, "over", now=NOW)
    with database.read() as connection:
        waiting = [outbox.waiting(connection, before=NOW + one) for one in (0, 1)]
    assert waiting == [(0, ""), (1, "the relay is away")]
    assert states(database, made) == ["given-up", "waiting"]
