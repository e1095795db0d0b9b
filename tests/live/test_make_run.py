"""``make run`` in a bare copy of the checkout: it installs what it needs.

On what is installed already, the test of the README runs it (``test_documented``).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.live.checkout import Checkout
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="git says which files a checkout has"
    ),
]


def run(checkout: Checkout) -> str:
    """Run it until it serves, curl its link, and interrupt it as Ctrl-C does.

    Return what curl printed, with the headers, and after it what make printed.
    """
    log = checkout.home / "log"
    with log.open("wb") as file:
        make = subprocess.Popen(
            ["make", "run"],
            cwd=checkout.home,
            env=checkout.environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: "  Stop " in log.read_text() or make.poll() is not None,
            seconds=240,
            what="it prints a link or ends",
        )
        return curl(log.read_text()) + log.read_text()
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(make.pid, signal.SIGINT)
        make.wait(30)


def curl(printed: str) -> str:
    """Run the command that ``make run`` prints; return headers and content."""
    command = re.search(r"^  Try +(curl \S+)$", printed, re.MULTILINE)
    assert command, printed
    done = subprocess.run(
        [*command[1].split(), "--include"], capture_output=True, check=True, text=True
    )
    return done.stdout


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    with Checkout.copied() as checkout:
        yield checkout


@pytest.mark.timeout(600)
def test_one_word_installs_serves_and_prints_a_link_that_works(
    checkout: Checkout,
) -> None:
    """The second start installs nothing and makes nothing."""
    first, second = run(checkout), run(checkout)
    hello = (ROOT / "deploy/sample/hello.txt").read_text()
    assert f"\n\n{hello}" in first
    assert f"\n\n{hello}" in second
    assert "\nServer: nginx\n" in first
    assert "pip install" in first
    assert "install" not in second
    assert "Made a signing key" not in second
    assert not checkout.is_served()
