"""``gateway serve`` before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.unit.command import Run


def test_without_nginx_one_line_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The newcomer's first fault; nothing is started and no address taken."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("gateway.ops.live_conf._SBIN", str(tmp_path))
    ran = run("serve", "--bind", "127.0.0.1:1")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == (
        "gateway: nginx is not installed; on Debian: apt install nginx"
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
    assert "[::] is every IPv6 address and no IPv4 one" in words
