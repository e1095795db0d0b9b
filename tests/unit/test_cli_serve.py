"""``gateway serve`` before anything is started."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.cli.serve import _Latest
from gateway.config import settings
from gateway.errors import SuperviseError
from tests.live.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.command import Run


@pytest.fixture
def fresh(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``serve`` with GATEWAY_FILES set alone; nothing is started by it."""
    for name in ("GATEWAY_KEYS", "GATEWAY_PUBLIC_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_FILES", "files")
    monkeypatch.setattr("gateway.cli.serve._run", lambda *_, **__: 0)
    return run


@pytest.fixture
def taken() -> Iterator[str]:
    """Return an address that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        host, port = listener.getsockname()
        yield f"{host}:{port}"


def test_without_nginx_one_line_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The newcomer's first fault; nothing is started and no address taken."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("gateway.runtime.live_conf._SBIN", str(tmp_path))
    ran = run("serve", "--bind", "127.0.0.1:1")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == (
        "gateway: nginx is not installed; on Debian: apt install nginx"
    )
    assert not Path("var").exists()


def test_without_nginx_s_module_one_line_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_FILES", "s3://media")
    monkeypatch.setattr("gateway.cli.serve.HEADERS_MORE", tmp_path / "module.so")
    ran = run("serve", "--bind", "127.0.0.1:1")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == (
        f"gateway: files in a bucket need nginx's module {tmp_path}/module.so; "
        "on Debian: apt install libnginx-mod-http-headers-more-filter"
    )
    assert not Path("var").exists()


def test_a_folder_that_nginx_can_not_be_told_of_is_wrong_usage(run: Run) -> None:
    """A blank in the path would end the directive that names it."""
    ran = run("serve", "--without-nginx", "--nginx-run", "my run")
    assert (ran.status, ran.out) == (2, "")
    assert "blanks" in ran.err


def test_help_tells_what_an_address_for_any_leaves_out(run: Run) -> None:
    """Who binds to [::] and tries 127.0.0.1 finds nobody there."""
    words = " ".join(run("serve", "--help").out.split())
    assert "[::]:PORT all IPv6 addresses but no IPv4 address" in words


def closed_folder(environment: pytest.MonkeyPatch) -> str:
    environment.setenv("GATEWAY_DATA", "file/var")
    return f"GATEWAY_DATA: {Path.cwd()}/file/var can't be written"


def closed_store(environment: pytest.MonkeyPatch) -> str:
    environment.setenv("GATEWAY_STORE", "file/store")
    return "can't be written"


def closed_catalog(environment: pytest.MonkeyPatch) -> str:
    environment.setenv("GATEWAY_DATABASE", "sqlite:///file/catalog.sqlite3")
    return "GATEWAY_DATABASE: file can't be written"


def another_database(environment: pytest.MonkeyPatch) -> str:
    environment.setenv("GATEWAY_DATABASE", "postgres://gateway@db/gateway")
    return "GATEWAY_DATABASE: must be like postgresql+psycopg://"


def open_run_folder(environment: pytest.MonkeyPatch) -> str:
    Path("run").mkdir()
    Path("run").chmod(0o777)
    environment.setenv("GATEWAY_RUN", "run")
    return "can be written by another user"


def no_files(environment: pytest.MonkeyPatch) -> str:
    environment.delenv("GATEWAY_FILES")
    return "GATEWAY_FILES: is not set"


def served_keys(environment: pytest.MonkeyPatch) -> str:
    environment.setenv("GATEWAY_FILES", ".")
    return "is inside the served folder"


def nothing_is_made_or_said(run: Run, *options: str, fault: str) -> bool:
    """Start; tell whether there is the fault alone."""
    ran = run("serve", "--bind", f"127.0.0.1:{free_port()}", *options)
    assert fault in ran.err
    return (ran.status, ran.out, Path("var").exists()) == (1, "", False)


@pytest.mark.parametrize(
    "close",
    [
        pytest.param(closed_folder, id="a data folder that can't be made"),
        pytest.param(closed_store, id="a store that can't be made"),
        pytest.param(closed_catalog, id="a catalog that can't be made"),
        pytest.param(another_database, id="a database of another kind"),
        pytest.param(open_run_folder, id="a run folder that others may write to"),
        pytest.param(no_files, id="no files"),
        pytest.param(served_keys, id="a data folder that is served"),
    ],
)
def test_nothing_is_made_or_printed_by_a_start_that_can_not_succeed(
    fresh: Run,
    monkeypatch: pytest.MonkeyPatch,
    close: Callable[[pytest.MonkeyPatch], str],
) -> None:
    Path("file").touch()
    assert nothing_is_made_or_said(fresh, fault=close(monkeypatch))


def test_nothing_is_made_where_nginx_s_folder_can_not_be(fresh: Run) -> None:
    Path("file").touch()
    fault = f"--nginx-run: {Path.cwd()}/file/nginx can't be written"
    assert nothing_is_made_or_said(fresh, "--nginx-run", "file/nginx", fault=fault)


def test_nothing_is_made_for_a_port_that_is_taken(fresh: Run, taken: str) -> None:
    fault = f"gateway: can't listen on {taken}: Address already in use\n"
    assert nothing_is_made_or_said(fresh, "--bind", taken, fault=fault)


def test_every_faulty_setting_is_named_at_once(
    fresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = {
        "GATEWAY_FILES": "nowhere",
        "GATEWAY_KEYS": "a:short",
        "GATEWAY_PUBLIC_URL": "files.example.com",
        "GATEWAY_GRACE": "soon",
    }
    for name, text in faulty.items():
        monkeypatch.setenv(name, text)
    failed = fresh("serve")
    named = {line.split(":")[1].strip() for line in failed.err.splitlines()}
    assert (failed.status, named) == (1, {*faulty})


def test_a_second_start_keeps_the_key_and_the_secret(fresh: Run) -> None:
    made = []
    for _ in range(2):
        assert fresh("serve", "--bind", f"127.0.0.1:{free_port()}").status == 0
        made.append([Path("var", name).read_text() for name in ("keys", "secret")])
    assert made[0] == made[1]


def test_settings_that_nginx_rejects_leave_the_earlier_ones() -> None:
    """Otherwise the next reload, for a bucket that moves, would apply them."""
    first, second = (settings.read({}).settings for _ in range(2))
    latest = _Latest(first)
    with suppress(SuperviseError), latest.replaced(second):
        raise SuperviseError("nginx rejects its configuration")
    assert latest.settings is first
    with latest.replaced(second):
        pass
    assert latest.settings is second
