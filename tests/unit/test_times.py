"""Durations and times, as people write them on the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.times import DateTime, Duration, DurationOrDateTime

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)

DURATIONS = [
    pytest.param("45s", timedelta(seconds=45), id="seconds"),
    pytest.param("90m", timedelta(minutes=90), id="minutes-not-months"),
    pytest.param("12h", timedelta(hours=12), id="hours"),
    pytest.param("7d", timedelta(days=7), id="days"),
    pytest.param("2w", timedelta(weeks=2), id="weeks"),
    pytest.param("1h30m", timedelta(hours=1, minutes=30), id="two-units"),
    pytest.param("30m1h", timedelta(hours=1, minutes=30), id="smaller-unit-first"),
    pytest.param("1d1d", timedelta(days=2), id="one-unit-twice"),
    pytest.param("007d", timedelta(days=7), id="leading-zeros"),
    pytest.param("0s", timedelta(0), id="nothing-for-the-claims-to-refuse"),
    pytest.param("999999999s", timedelta(seconds=999_999_999), id="nine-digits"),
]


@pytest.mark.parametrize(("text", "duration"), DURATIONS)
def test_a_duration_is_the_sum_of_its_parts(text: str, duration: timedelta) -> None:
    """Every unit counts as what it is called, alone and beside others."""
    assert Duration().convert(text, None, None) == duration


def test_a_life_is_read_like_a_duration() -> None:
    """Where a time is allowed as well, a duration still means the same."""
    life = timedelta(hours=1, minutes=30)
    assert DurationOrDateTime().convert("1h30m", None, None) == life


@given(
    st.lists(
        st.tuples(st.integers(0, 9999), st.sampled_from("smhdw")),
        min_size=1,
        max_size=6,
    )
)
def test_any_parts_add_up(parts: list[tuple[int, str]]) -> None:
    """A duration is never cut short, whatever parts it is made of."""
    words = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    text = "".join(f"{count}{unit}" for count, unit in parts)
    expected = sum(
        (timedelta(**{words[unit]: count}) for count, unit in parts), timedelta()
    )
    assert Duration().convert(text, None, None) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("7", id="no-unit"),
        pytest.param("7D", id="capital"),
        pytest.param("-7d", id="negative"),
        pytest.param("1.5h", id="fraction"),
        pytest.param("7 d", id="blank-between"),
        pytest.param("7d\n", id="line-end"),
        pytest.param("\u0667d", id="arabic-digit"),
        pytest.param("1234567890s", id="ten-digits"),
    ],
)
def test_what_is_no_duration_is_named_with_an_example(text: str) -> None:
    """The message repeats what was typed and shows a form that would do."""
    with pytest.raises(click.BadParameter) as caught:
        Duration().convert(text, None, None)
    assert repr(text) in caught.value.message
    assert "7d" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("999999999w", id="one-part"),
        pytest.param("999999999d" * 2, id="sum"),
    ],
)
def test_a_duration_past_all_time_is_wrong_usage(text: str) -> None:
    """A number that Python's clock can't hold is a message, not a traceback."""
    with pytest.raises(click.BadParameter, match="is too long"):
        Duration().convert(text, None, None)


MOMENTS = [
    pytest.param("2030-01-31T12:00", NOON, id="no-zone-is-utc"),
    pytest.param("2030-01-31T12:00Z", NOON, id="Z"),
    pytest.param("2030-01-31 12:00:00", NOON, id="blank-for-T"),
    pytest.param("2030-01-31T13:30+01:30", NOON, id="east"),
    pytest.param("2030-01-31T07:00-05:00", NOON, id="west"),
    pytest.param("2030-01-31", NOON.replace(hour=0), id="date-is-its-midnight"),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_a_moment_is_the_same_instant_in_every_spelling(
    text: str, moment: datetime
) -> None:
    """A zone is respected, and its absence means UTC, not the machine's zone."""
    assert DateTime().convert(text, None, None) == moment
    assert DurationOrDateTime().convert(text, None, None) == moment


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2030-13-01", id="thirteenth-month"),
        pytest.param("31-01-2030", id="day-first"),
        pytest.param("2030-01-31T12:00 Europe/Berlin", id="zone-by-name"),
    ],
)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(DateTime(), id="time"),
        pytest.param(DurationOrDateTime(), id="duration-or-time"),
    ],
)
def test_what_is_no_time_is_named_with_an_example(
    kind: click.ParamType[object], text: str
) -> None:
    """The message repeats what was typed and shows a form that would do."""
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert repr(text) in caught.value.message
    assert "2030-01-31T18:00" in caught.value.message


def test_no_zone_is_utc_wherever_the_machine_stands(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A link signed on a laptop in another zone ends at the same instant."""
    request.addfinalizer(time.tzset)
    request.addfinalizer(monkeypatch.undo)
    monkeypatch.setenv("TZ", "UTC+5")
    time.tzset()
    assert DateTime().convert("2030-01-31T12:00", None, None) == NOON


def test_a_time_alone_is_no_duration() -> None:
    """An option that takes times only does not count from now."""
    with pytest.raises(click.BadParameter, match="not a time"):
        DateTime().convert("7d", None, None)


def test_rubbish_is_told_of_both_forms() -> None:
    """Where both are allowed, a text that is neither is shown both."""
    with pytest.raises(click.BadParameter, match=r"7d.*2030-01-31T18:00"):
        DurationOrDateTime().convert("soon", None, None)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Duration(), timedelta(days=7), id="duration"),
        pytest.param(DateTime(), NOON, id="time"),
        pytest.param(DurationOrDateTime(), timedelta(days=7), id="either-duration"),
        pytest.param(DurationOrDateTime(), NOON, id="either-time"),
    ],
)
def test_a_value_that_was_read_is_kept(
    kind: click.ParamType[object], value: object
) -> None:
    """Click converts defaults and prompts again; that must change nothing."""
    assert kind.convert(value, None, None) is value


def test_a_zone_is_kept_as_it_was_given() -> None:
    """The time keeps its offset, so that a message can show what was typed."""
    east = timezone(timedelta(hours=2))
    assert DateTime().convert("2030-01-31T14:00+02:00", None, None).tzinfo == east
