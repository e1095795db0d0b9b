"""One source, two stacks: what Python renders, the container's shell renders."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway import settings
from gateway.errors import SettingsError
from gateway.ops.logs import redact
from gateway.ops.nginx import NginxConf
from tests.live.stack import ROOT

if TYPE_CHECKING:
    from pathlib import Path


EVERYTHING = {
    "GATEWAY_CLIENT_CONNECTIONS": "7",
    "GATEWAY_CLIENT_REQUESTS": "9",
    "GATEWAY_CORS_ORIGINS": "https://a.example, https://b.example:8443",
    "GATEWAY_GRACE": "11",
    "GATEWAY_HOSTS": "c.example,*.d.example\n127.0.0.1",
    "GATEWAY_PUBLIC_URL": "https://Files.example.com:8443/",
    "GATEWAY_STORE": "/srv/store",
    "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32",
    "GATEWAY_UPLOAD_SIZE": "12",
    "GATEWAY_VERDICT_CACHE": "/run/verdicts",
    "GATEWAY_VERDICT_TTL": "5",
}


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param({}, id="defaults"),
        pytest.param(EVERYTHING, id="everything"),
        pytest.param({"GATEWAY_VERDICT_TTL": "0"}, id="no kept verdicts"),
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
    assert_rendered_alike(tmp_path, chosen)


def test_the_shell_reads_the_files_that_python_reads(tmp_path: Path) -> None:
    chosen = EVERYTHING | {
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_DATA": str(tmp_path / "data"),
    }
    (tmp_path / "files").mkdir()
    for name, text in chosen.items():
        (tmp_path / name).write_text(f" \n\t{text} \r\n\n")
    by_file = {f"{name}_FILE": str(tmp_path / name) for name in chosen}
    empty = dict.fromkeys(chosen, "")
    assert_rendered_alike(tmp_path, {**by_file, **empty})


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param({"GATEWAY_GRACE": "9", "GATEWAY_GRACE_FILE": "/x"}, id="both"),
        pytest.param({"GATEWAY_GRACE_FILE": "/nowhere"}, id="no such file"),
    ],
)
def test_the_shell_refuses_a_file_that_python_refuses(
    tmp_path: Path, chosen: dict[str, str]
) -> None:
    files = {"GATEWAY_FILES": str(tmp_path), "GATEWAY_DATA": "/nonexistent"}
    done = render(tmp_path / "conf", chosen | files)
    with pytest.raises(SettingsError):
        settings.read(chosen | files)
    assert done.returncode == 1
    assert done.stderr
    assert not (tmp_path / "conf").exists()


def render(output: Path, chosen: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "nginx" / "render.sh", output],
        env={"PATH": os.environ["PATH"], **chosen},
        check=False,
        capture_output=True,
        text=True,
    )


def assert_rendered_alike(tmp_path: Path, chosen: dict[str, str]) -> None:
    """Have the shell and Python render the same settings, and compare."""
    output = tmp_path / "conf"
    done = render(output, chosen)
    assert done.returncode == 0, done.stderr
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
