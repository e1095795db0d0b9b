"""One source, two stacks: what Python renders, the container's shell renders."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway import settings
from gateway.ops.logs import redact
from gateway.ops.nginx import NginxConf
from tests.live.stack import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param({}, id="defaults"),
        pytest.param(
            {
                "GATEWAY_CLIENT_CONNECTIONS": "7",
                "GATEWAY_CLIENT_REQUESTS": "9",
                "GATEWAY_CORS_ORIGINS": "https://a.example, https://b.example:8443",
                "GATEWAY_GRACE": "11",
                "GATEWAY_HOSTS": "c.example,*.d.example\n127.0.0.1",
                "GATEWAY_PUBLIC_URL": "https://Files.example.com:8443/",
                "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32",
            },
            id="everything",
        ),
        pytest.param(
            {"GATEWAY_HOSTS": "*", "GATEWAY_PUBLIC_URL": "http://localhost:8080"},
            id="any host",
        ),
        pytest.param({"GATEWAY_PUBLIC_URL": "http://[2001:db8::1]:80"}, id="IPv6 host"),
    ],
)
def test_the_shell_renders_what_python_renders(
    tmp_path: Path, chosen: dict[str, str]
) -> None:
    chosen = chosen | {
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_DATA": str(tmp_path / "data"),
    }
    (tmp_path / "files").mkdir()
    output = tmp_path / "conf"
    subprocess.run(
        [ROOT / "nginx" / "render.sh", output],
        env={"PATH": os.environ["PATH"], **chosen},
        check=True,
        capture_output=True,
    )
    rendering = NginxConf(
        settings=settings.read(chosen).settings,
        listen="8080",
        run=tmp_path / "data" / "run" / "nginx",
        conf=output,
    ).files()
    assert {name: (output / name).read_text() for name in rendering} == rendering
    assert (output / "pages" / "error.html").exists()


MAC = "Jm3fA0-bC_dE4fGhIjKlMQ"
LINES = [
    f'request: "GET /s/k1.e2.i3.{MAC}/a.txt HTTP/1.1", host: "x"',
    f'request: "GET //s//k1.e2.i3.{MAC}/a.txt HTTP/1.1", upstream: "http://unix:/s/y"',
    f"/d/abc.{MAC}?x /l/lease,/u/{MAC}",
    f"/%73/k1.e2.i3.{MAC}/a.txt",
    f"/x/k1.%4a{MAC[1:]}/a.txt",
    "open() /srv/files/a.txt failed (2: No such file or directory)",
    "[notice] signal 1 (SIGHUP) received, reconfiguring",
]


@pytest.mark.parametrize("line", LINES, ids=map(str, range(len(LINES))))
def test_both_blank_the_same_tokens(line: str) -> None:
    done = subprocess.run(
        ["sed", "-E", "-f", ROOT / "nginx" / "redact.sed"],
        input=line,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == redact(line)
    assert MAC[1:] not in done.stdout


def test_what_holds_no_token_is_left_as_it_is() -> None:
    assert [redact(line) for line in LINES[-2:]] == LINES[-2:]
