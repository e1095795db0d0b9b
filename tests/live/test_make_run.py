"""``make run`` in a clean copy of the repository, as a newcomer meets it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.ports import free_port
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="what is in the repository git knows"
    ),
]

#: What an outer make leaves for an inner one, and settings, are no clean shell.
_FOREIGN = re.compile(r"GATEWAY_.*|M(AKE)?FLAGS|MAKE(LEVEL|OVERRIDES)|VIRTUAL_ENV")


class Copy:
    """All files that git knows of, and what ``make run`` says there."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gw-"))
        self.port = free_port()
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            target = self.home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def run(self) -> str:
        """Run it until it serves, curl its link, and interrupt it as Ctrl-C does.

        Return what curl printed, with the headers, and after it what make said.
        """
        log = self.home / "log"
        with log.open("wb") as file:
            make = subprocess.Popen(
                ["make", "run", f"BIND=127.0.0.1:{self.port}"],
                cwd=self.home,
                env={k: v for k, v in os.environ.items() if not _FOREIGN.fullmatch(k)},
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
            return self._curl(log.read_text()) + log.read_text()
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(make.pid, signal.SIGINT)
            make.wait(30)

    def _curl(self, said: str) -> str:
        command = re.search(r"^  Try +(curl \S+)$", said, re.MULTILINE)
        assert command, said
        done = subprocess.run(
            [*command[1].split(), "--include"],
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout

    def is_left(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def copy() -> Iterator[Copy]:
    here = Copy()
    yield here
    shutil.rmtree(here.home)


@pytest.mark.timeout(600)
def test_one_word_serves_and_prints_a_link_that_works(copy: Copy) -> None:
    """The second start installs nothing and makes nothing."""
    first, second = copy.run(), copy.run()
    hello = (ROOT / "deploy/sample/hello.txt").read_text()
    assert f"\n\n{hello}" in first
    assert f"\n\n{hello}" in second
    assert "\nServer: nginx\n" in first
    assert "pip install" in first
    assert "install" not in second
    assert "Made a signing key" not in second
    assert not copy.is_left()
