"""nginx never sees a configuration that is half written, faulty or mixed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gateway.errors import SuperviseError
from gateway.runtime.live_conf import LiveConf, check_conf, find_nginx

if TYPE_CHECKING:
    from pathlib import Path


class Rendered:
    """A configuration of one line, under an nginx that refuses the word bad."""

    def __init__(self, home: Path) -> None:
        self.text = "good"
        self.extra = "snippet"
        self.live = LiveConf(home / "conf", self.render, check_conf)

    def render(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / self.extra).touch()
        path = folder / "nginx.conf"
        path.write_text(self.text)
        return path

    def read(self) -> str:
        """Return what nginx reads at a reload, whoever asks it to."""
        return self.live.path.read_text()


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rendered:
    nginx = tmp_path / "bin" / "nginx"
    nginx.parent.mkdir()
    nginx.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "text = pathlib.Path(sys.argv[-1]).read_text()\n"
        "sys.exit(f'[emerg] {text}' if 'bad' in text else 0)\n"
    )
    nginx.chmod(0o755)
    monkeypatch.setenv("PATH", str(nginx.parent))
    return Rendered(tmp_path)


def test_the_latest_rendering_is_read(rendered: Rendered) -> None:
    """However often it is renewed, one path leads to it."""
    for text in ("one", "two", "three"):
        rendered.text = text
        rendered.live.renew()
        assert rendered.read() == text


def test_a_rendering_that_nginx_refuses_changes_nothing(rendered: Rendered) -> None:
    """A reload by somebody else, or a restart of nginx, still finds the good one."""
    rendered.live.renew()
    rendered.text = "bad"
    with pytest.raises(SuperviseError, match=r"rejects its configuration:\n.*bad"):
        rendered.live.renew()
    assert rendered.read() == "good"


def test_a_rendering_that_fails_changes_nothing(
    rendered: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle of the files leaves the old set whole."""
    rendered.live.renew()
    monkeypatch.setattr(rendered, "text", 5)
    with pytest.raises(TypeError):
        rendered.live.renew()
    assert rendered.read() == "good"


def test_after_a_failure_the_next_is_taken(rendered: Rendered) -> None:
    """What a failure left in the other folder is cleared away."""
    rendered.live.renew()
    rendered.text = "bad"
    with pytest.raises(SuperviseError):
        rendered.live.renew()
    rendered.text = "better"
    rendered.live.renew()
    assert rendered.read() == "better"


def test_files_of_an_older_rendering_are_gone(rendered: Rendered) -> None:
    """A snippet that was renamed must not be included by its old name as well."""
    for extra in ("first", "second", "third"):
        rendered.extra = extra
        rendered.live.renew()
    files = {path.name for path in rendered.live.path.parent.iterdir()}
    assert files == {"nginx.conf", "third"}


def test_the_generation_before_stays_for_who_still_reads_it(
    rendered: Rendered,
) -> None:
    """An nginx in another container may be in the middle of it."""
    for text in ("one", "two", "three"):
        rendered.text = text
        rendered.live.renew()
    kept = {path.read_text() for path in rendered.live.home.glob("[0-9]*/nginx.conf")}
    assert kept == {"two", "three"}


def test_no_generation_has_the_name_of_an_earlier_one(rendered: Rendered) -> None:
    """The container of nginx watches the name, and may look after two reloads."""
    names = []
    for _ in range(5):
        rendered.live.renew()
        names.append((rendered.live.home / "live").readlink().name)
    assert len(set(names)) == 5


def test_what_another_nginx_checks_is_not_checked_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's image has no nginx; that of nginx checks what it loads."""
    monkeypatch.setenv("PATH", "/nowhere")
    rendered = Rendered(tmp_path)
    live = LiveConf(tmp_path / "conf", rendered.render, None)
    rendered.text = "bad"
    live.renew()
    assert live.path.read_text() == "bad"


def test_what_a_crash_left_is_no_hindrance(rendered: Rendered) -> None:
    """A link that was made and not yet moved is made anew."""
    rendered.live.home.mkdir()
    (rendered.live.home / "live.new").symlink_to("nowhere")
    rendered.live.renew()
    assert rendered.read() == "good"


def test_a_missing_nginx_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message names the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("gateway.runtime.live_conf._SBIN", str(tmp_path))
    with pytest.raises(SuperviseError, match="apt install nginx"):
        find_nginx()


def test_nginx_is_found_where_a_users_path_does_not_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It lives in sbin, which is not on every PATH."""
    (tmp_path / "nginx").touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("gateway.runtime.live_conf._SBIN", str(tmp_path))
    assert find_nginx() == str(tmp_path / "nginx")
