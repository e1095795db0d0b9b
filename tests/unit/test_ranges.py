"""Which bytes of a file were sent, whatever ranges a client asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.shares.ranges import MAXIMUM, Ranges

PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30)


@given(PAIRS)
def test_ranges_are_a_set_of_bytes(pairs: list[tuple[int, int]]) -> None:
    ranges = Ranges()
    expected: set[int] = set()
    for first, end in pairs:
        ranges.add(first, end)
        expected.update(range(first, end))
    assert ranges.bytes == len(expected)
    again = Ranges.parse(str(ranges))
    assert (str(again), again.bytes) == (str(ranges), ranges.bytes)


@given(PAIRS, PAIRS)
def test_two_sets_are_joined(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    left, right, both = Ranges(), Ranges(), Ranges()
    for first, end in some:
        left.add(first, end)
        both.add(first, end)
    for first, end in others:
        right.add(first, end)
        both.add(first, end)
    left.update(right)
    assert str(left) == str(both)


def test_ranges_that_touch_are_one() -> None:
    ranges = Ranges()
    for first, end in ((0, 10), (20, 30), (10, 20)):
        ranges.add(first, end)
    assert str(ranges) == "0-30"


def test_no_client_makes_them_endless() -> None:
    """The shortest go: what is told is never more than what was sent."""
    ranges = Ranges()
    ranges.add(0, 1000)
    for number in range(2 * MAXIMUM):
        ranges.add(2000 + 2 * number, 2001 + 2 * number)
    assert str(ranges).startswith("0-1000,")
    assert str(ranges).count(",") == MAXIMUM - 1
