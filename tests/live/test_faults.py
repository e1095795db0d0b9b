"""A fault in the gateway's own code, as a client and an operator meet it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.stack import NativeStack, python_path, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Each Python of the stack runs this first.
FAULT = """
from gateway.delivery.verdict import SignedURLJudge

def judge(*_, **__):
    raise RuntimeError("a fault")

SignedURLJudge.judge = judge
"""


@pytest.fixture(scope="module")
def faulty() -> Iterator[NativeStack]:
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        Path(folder, "sitecustomize.py").write_text(FAULT)
        stack = NativeStack(PYTHONPATH=python_path(Path(folder)))
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="kept"),
        pytest.param({"networks": ["2001:db8::/32"]}, id="asked each time"),
    ],
)
def test_a_fault_is_a_500_that_nobody_is_told_to_try_again(
    faulty: NativeStack, claims: dict[str, list[str]]
) -> None:
    faulty.put("a.txt")
    answer = faulty.ask(faulty.sign("a.txt", **claims))
    request_id = answer.headers["X-Request-ID"]

    def rows() -> list[dict[str, Any]]:
        return [row for row in faulty.logged() if row["request_id"] == request_id]

    wait_until(rows, what="the request is logged")
    [row] = rows()
    assert answer.status_code == 500
    assert "Retry-After" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert request_id in answer.text
    assert (row["status"], row["reason"]) == (500, "http-500")
    assert "a fault" not in answer.text
    assert "RuntimeError: a fault" in faulty.log()
