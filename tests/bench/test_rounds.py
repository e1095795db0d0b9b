"""What is made of figures: ratios, percentiles, and the order of measuring."""

from __future__ import annotations

import math

import pytest

from bench.pulse import Pulse
from bench.rounds import Ratio, difference, digits, interleaved, ratio, table


def test_a_ratio_is_taken_within_a_round() -> None:
    assert ratio([10, 30, 20], [20, 30, 10]) == Ratio(1, 0.5, 2)


def test_a_difference_is_taken_within_a_round() -> None:
    assert difference([10, 30, 20], [20, 30, 10]) == Ratio(0, -10, 10)


def test_series_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1, 2], [1])


def test_everyone_is_measured_once_a_round_and_in_no_fixed_order() -> None:
    asked: list[str] = []
    runners = {
        name: lambda name=name: asked.append(name) or 1.0  # type: ignore[func-returns-value]
        for name in "abcd"
    }
    figures = interleaved(runners, 6, "test")
    rounds = [tuple(asked[start : start + 4]) for start in range(0, 24, 4)]
    assert {name: len(each) for name, each in figures.items()} == dict.fromkeys(
        "abcd", 6
    )
    assert {frozenset(order) for order in rounds} == {frozenset("abcd")}
    assert len(set(rounds)) > 2


@pytest.mark.parametrize(
    ("percent", "wait"),
    [
        pytest.param(50, 50, id="median"),
        pytest.param(99, 99, id="p99"),
        pytest.param(100, 100, id="the longest"),
    ],
)
def test_a_percentile_is_the_wait_that_so_many_did_not_exceed(
    percent: int, wait: int
) -> None:
    taken = Pulse([float(number) for number in range(100, 0, -1)])
    assert taken.percentile(percent) == wait


def test_more_unanswered_than_are_left_out_is_no_end() -> None:
    taken = Pulse([1.0] * 97, unanswered=3)
    assert (taken.percentile(50), taken.percentile(99)) == (1.0, math.inf)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(0.123, "0.12", id="small"),
        pytest.param(12.34, "12.3", id="tens"),
        pytest.param(12345.6, "12,346", id="large"),
        pytest.param(math.inf, "no end", id="never"),
    ],
)
def test_a_number_has_the_digits_that_it_has_to_offer(number: float, text: str) -> None:
    assert digits(number) == text


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | --: |\n| x | 1 |\n"
