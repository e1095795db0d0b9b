"""What is counted, and what is called met: a wrong line here is a wrong page."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import nginx
from bench.bucket import SLICE, Cost, Hit, slices
from bench.flood import FLOODER, VISITORS, was_asked
from bench.processor import Spent, both, others
from bench.readers import Readers
from bench.rounds import Ratio
from bench.targets import at_least, at_most
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("row", "median", "verdict"),
    [
        pytest.param(at_least, 0.5, "missed", id="too little"),
        pytest.param(at_least, 1, "met", id="just enough"),
        pytest.param(at_least, 2, "met", id="more than asked for"),
        pytest.param(at_most, 0.5, "met", id="less than may be"),
        pytest.param(at_most, 1, "met", id="just what may be"),
        pytest.param(at_most, 2, "missed", id="too much"),
    ],
)
def test_a_target_is_met_or_missed_by_the_median(
    row: Callable[[str, float, Ratio], list[str]], median: float, verdict: str
) -> None:
    assert row("x", 1, Ratio(median, 0, 9))[-1] == verdict


@pytest.mark.parametrize(
    ("line", "is_counted"),
    [
        pytest.param({"client": FLOODER, "verdict_seconds": "0.002"}, True, id="asked"),
        pytest.param({"client": FLOODER, "verdict_seconds": ""}, False, id="refused"),
        pytest.param({"client": FLOODER, "verdict_seconds": "-"}, False, id="kept"),
        pytest.param(
            {"client": VISITORS[0], "verdict_seconds": "0.002"}, False, id="visitor"
        ),
    ],
)
def test_what_gunicorn_was_asked_for_the_flooder_is_counted(
    line: dict[str, str], *, is_counted: bool
) -> None:
    assert was_asked(json.dumps(line)) is is_counted


def test_a_line_that_is_no_request_is_not_counted() -> None:
    assert not was_asked("[notice] 1#1: start worker process")


@pytest.mark.parametrize(
    ("answer", "is_served"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", True, id="file"),
        pytest.param(b"HTTP/1.1 429 Too Many Requests\r\n", False, id="refusal"),
        pytest.param(b"", False, id="nothing yet"),
    ],
)
def test_a_reader_is_served_who_gets_the_file(
    answer: bytes, *, is_served: bool
) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(0)
        there.sendall(answer)
        readers = Readers([here])
        readers.read()
        assert bool(readers.begun) is is_served


def test_a_static_file_is_logged_with_the_gateway_s_fields(tmp_path: Path) -> None:
    """The same log, or the ratio to it would flatter."""
    static = nginx.Nginx(tmp_path, tmp_path, 1).conf()
    assert fields(static) == fields(rendered()["conf.d/logging.conf"])


def fields(conf: str) -> list[str]:
    """Return the fields of the last log format, in their order."""
    text = conf.rpartition("log_format ")[2].partition("}';")[0]
    return re.findall(r'"(\w+)":', text)


def test_the_sum_is_taken_within_a_round() -> None:
    spent = [Spent(1, 2), Spent(3, 5)]
    assert (others(spent), both(spent)) == ([2, 5], [3, 8])


@pytest.mark.parametrize(
    ("size", "number"),
    [
        pytest.param(1, 1, id="a byte"),
        pytest.param(SLICE, 1, id="a slice"),
        pytest.param(SLICE + 1, 2, id="a byte more"),
    ],
)
def test_a_cached_object_has_as_many_slices(size: int, number: int) -> None:
    assert slices(size) == number


def test_slices_are_as_long_as_nginx_s() -> None:
    template = Path(__file__).parents[2] / "nginx" / "bucket.jinja"
    assert f"slice {SLICE >> 20}m;" in template.read_text()


def test_a_cheaper_object_is_a_faster_one() -> None:
    hit = Hit(
        "x", 1, file=[Spent(3, 1), Spent(4, 1)], object=[Spent(2, 9), Spent(4, 9)]
    )
    assert hit.speed == Ratio(1.25, 1, 1.5)


def test_the_bucket_s_server_is_not_counted() -> None:
    assert Cost(clock=8, client=1, between=2, server=4).ours == 3


def test_the_time_of_an_answer_is_that_since_the_start() -> None:
    assert (Spent(5, 9) - Spent(1, 3)) / 2 == Spent(2, 3)
