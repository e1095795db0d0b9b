"""nginx's container: what its entrypoint loads, refuses and writes into the log."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import pytest
import requests

from gateway.runtime.live_conf import LiveConf, find_nginx
from tests.live.ports import free_port
from tests.live.stack import ROOT, wait_until
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN: Final = "kx.e0.i1.AAAAAAAAAAAAAAAAAAAAAA"


class Entrypoint:
    """The entrypoint, with a gateway that renders an nginx.conf of a few lines."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.answer = "one"
        self.conf = LiveConf(home / "conf", self.render, None)
        self.conf.home.mkdir()
        self._log = home / "log"
        (home / "run").mkdir()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [ROOT / "nginx/entrypoint.sh", self.conf.home, home / "run"],
                env={"PATH": f"{os.path.dirname(find_nginx())}:{os.environ['PATH']}"},  # noqa: PTH120 -- a text for PATH
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def render(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / "redact.sed").write_text(rendered()["redact.sed"])
        (folder / "ledger.sh").write_text('echo "$1" >>"$(dirname "$0")/asked"\n')
        conf = folder / "nginx.conf"
        conf.write_text(f"""
            worker_processes 1;
            pid {self.home}/run/nginx.pid;
            error_log stderr warn;
            events {{}}
            http {{
                access_log off;
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{ return 200 {self.answer}; }}
                    location /s/ {{ root /nowhere; }}
                }}
            }}
        """)
        return conf

    def get(self, path: str = "/") -> str:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).text
        except requests.ConnectionError:
            return ""

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)


@pytest.fixture
def entrypoint(tmp_path: Path) -> Iterator[Entrypoint]:
    here = Entrypoint(tmp_path)
    yield here
    here.close()


def test_it_waits_for_the_gateway_and_loads_each_generation(
    entrypoint: Entrypoint,
) -> None:
    assert entrypoint.get() == ""
    for answer in ("one", "two", "three"):
        entrypoint.answer = answer
        entrypoint.conf.renew()
        wait_until(lambda told=answer: entrypoint.get() == told, what=f"{answer} is on")  # type: ignore[misc]


def test_what_nginx_refuses_is_said_and_not_loaded(entrypoint: Entrypoint) -> None:
    entrypoint.conf.renew()
    wait_until(lambda: entrypoint.get() == "one", what="it serves")
    entrypoint.answer = "two; nonsense"
    entrypoint.conf.renew()
    wait_until(
        lambda: "previous configuration stays" in entrypoint.log(), what="it says so"
    )
    assert 'unknown directive "nonsense"' in entrypoint.log()
    assert entrypoint.get() == "one"
    entrypoint.answer = "three"
    entrypoint.conf.renew()
    wait_until(lambda: entrypoint.get() == "three", what="the next one is on")


def test_its_error_log_holds_no_token(entrypoint: Entrypoint) -> None:
    entrypoint.conf.renew()
    wait_until(lambda: entrypoint.get() == "one", what="it serves")
    entrypoint.get(f"/s/{TOKEN}/a.txt")
    wait_until(lambda: "/a.txt" in entrypoint.log(), what="the fault is logged")
    assert 'request: "GET /s/[redacted]/a.txt HTTP/1.1"' in entrypoint.log()
    assert TOKEN[-22:] not in entrypoint.log()
