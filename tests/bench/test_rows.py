"""What is counted, and what is called met: a wrong line here is a wrong page."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING

import pytest

from bench import nginx
from bench.flood import FLOODER, VISITORS, was_asked
from bench.processor import Spent, both, others
from bench.readers import Readers
from bench.rounds import Ratio
from bench.targets import at_least, at_most
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
