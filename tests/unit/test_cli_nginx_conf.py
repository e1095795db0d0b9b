"""``gateway nginx-conf``: printed to be read, written to be included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.runtime.rendering import RELEASE
from tests.unit.command import Ran, Run

if TYPE_CHECKING:
    import pytest


def test_the_configuration_is_printed_file_by_file(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of the set stands below its name, with nothing left to fill in."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    monkeypatch.setenv("GATEWAY_RUN", "/run/gateway")
    ran = run("nginx-conf", "--listen", "127.0.0.1:8181", "--access-log", "/tmp/x.log")  # noqa: S108 -- printed, never opened
    assert (ran.status, ran.err) == (0, "")
    assert "# ==== nginx.conf ====" in ran.out
    assert "# ==== snippets/gateway.conf ====" in ran.out
    assert "listen 127.0.0.1:8181" in ran.out
    assert "access_log /tmp/x.log" in ran.out
    assert f"{Path('files').absolute()}/;" in ran.out
    assert "server unix:/run/gateway/verdicts.sock" in ran.out
    assert "pid /run/gateway/nginx.pid" in ran.out
    assert "{{" not in ran.out


def test_the_configuration_is_printed_as_json_when_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The texts of the files by their names."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    printed = run("nginx-conf").out
    files = run("nginx-conf", "--json").facts
    assert printed == "".join(f"# ==== {k} ====\n{v}\n" for k, v in files.items())


def test_the_configuration_is_written_to_a_folder(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are those that are printed, and the pages that nginx sends itself."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    printed = run("nginx-conf").out
    names = {
        line.split()[2] for line in printed.splitlines() if line.startswith("# ==== ")
    }
    ran = run("nginx-conf", "--output", "conf")
    written = {
        str(path.relative_to("conf"))
        for path in Path("conf").rglob("*")
        if path.is_file()
    }
    assert ran == Ran(0, "", "")
    statics = {name for name in written if name.startswith("static/")}
    assert written - statics == {*names, RELEASE}
    assert {"pages/error.html", "redact.sed"} <= names
    assert "static/style.css" in statics


def test_the_cache_of_buckets_has_the_gateway_s_name(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways that share a store would delete each other's cached objects."""
    for name, value in {
        "FILES": "s3://media",
        "STORE": "/srv/store",
        "REPLICA": "r1",
    }.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    files = run("nginx-conf", "--json").facts
    conf = files["conf.d/bucket.conf"]
    assert "proxy_cache_path /srv/store/byte-cache/r1 levels=" in conf
    # nginx refuses to reload if the folder of a zone has changed.
    assert "keys_zone=gateway_bytes_r1:" in conf
    assert "proxy_cache gateway_bytes_r1;" in files["snippets/internal.conf"]


def test_no_key_is_needed_to_render(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs nginx need not hold a secret."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    monkeypatch.delenv("GATEWAY_KEYS")
    ran = run("nginx-conf")
    assert (ran.status, ran.err) == (0, "")


def test_rendering_without_files_is_one_clear_line(run: Run) -> None:
    """A configuration that serves nothing is not written."""
    ran = run("nginx-conf", "--output", "conf")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "gateway: GATEWAY_FILES: is not set; set it to the folder whose files are "
        "served\n"
    )
    assert not Path("conf").exists()


def test_a_folder_that_nginx_can_not_be_told_of_is_wrong_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank in the path would end the directive that includes it."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    ran = run("nginx-conf", "--output", "my conf")
    assert (ran.status, ran.out) == (2, "")
    assert "blanks" in ran.err
    assert not Path("my conf").exists()
