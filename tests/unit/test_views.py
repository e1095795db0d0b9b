"""A path that a site's own view names becomes a file and its headers."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.delivery.views import FileOnDisk, ViewFile, ViewFiles
from gateway.errors import NotServableError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = 1_800_000_000


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("outside")
    return folder


def put(files: Path, name: str, content: bytes = b"hello\n") -> None:
    path = files / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOON, NOON))


def find(files: Path, path: Any, **chosen: Any) -> ViewFile:
    """Return what a view finds that says no more than it has to."""
    defaults = {"name": None, "as_attachment": False, "max_age": 0, "rate": None}
    settings = {"GATEWAY_FILES": files}
    configured = ViewFiles.configured(settings.get, is_debug=False)
    return configured.find(path, **defaults | chosen)


def on_disk(found: ViewFile) -> FileOnDisk:
    assert found.on_disk is not None
    return found.on_disk


@pytest.mark.parametrize(
    ("setting", "is_debug", "by_nginx"),
    [
        pytest.param(None, False, True, id="by default"),
        pytest.param(None, True, False, id="not in debug mode"),
        pytest.param(True, True, True, id="in debug mode if set"),
        pytest.param(False, False, False, id="not at all if set"),
    ],
)
def test_nginx_sends_the_file_except_in_development(
    files: Path, setting: object, *, is_debug: bool, by_nginx: bool
) -> None:
    settings = {"GATEWAY_FILES": files, "GATEWAY_NGINX": setting}
    configured = ViewFiles.configured(settings.get, is_debug=is_debug)
    assert configured.by_nginx is by_nginx


@pytest.mark.parametrize(
    ("folder", "nginx", "fault"),
    [
        pytest.param(None, None, "GATEWAY_FILES: is not set", id="missing"),
        pytest.param("", None, "GATEWAY_FILES: is not set", id="empty"),
        pytest.param("files", None, "must be an absolute path", id="relative"),
        pytest.param(["/srv"], None, "must be the path of a folder", id="a list"),
        pytest.param("/srv", "False", "must be True or False", id="text"),
        pytest.param("/srv", 1, "must be True or False", id="number"),
    ],
)
def test_a_wrong_setting_is_named(folder: object, nginx: object, fault: str) -> None:
    """The developer has to correct it: it is no 404."""
    settings = {"GATEWAY_FILES": folder, "GATEWAY_NGINX": nginx}
    with pytest.raises(SettingsError, match=fault):
        ViewFiles.configured(settings.get, is_debug=False)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        ViewFiles.configured({"GATEWAY_NGINX": "no"}.get, is_debug=False)
    assert len(raised.value.faults) == 2


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.rmdir(), id="missing"),
        pytest.param(lambda path: (path.rmdir(), path.write_text("")), id="a file"),
    ],
)
def test_a_folder_that_is_none_is_a_wrong_setting(
    files: Path, make: Callable[[Path], object]
) -> None:
    make(files)
    with pytest.raises(SettingsError, match="is not a folder"):
        find(files, "a.txt")


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        pytest.param("missing.txt", "missing", id="missing"),
        pytest.param("", "empty-segment", id="nothing"),
        pytest.param("/etc/passwd", "empty-segment", id="absolute"),
        pytest.param("../outside.txt", "dot-segment-or-hidden", id="traversal"),
        pytest.param("folder/.git", "dot-segment-or-hidden", id="hidden"),
        pytest.param("a\x00.txt", "control-character", id="NUL"),
        pytest.param("a\ud800.txt", "not-utf-8", id="a lone surrogate"),
        pytest.param("folder", "not-a-file", id="a folder"),
        pytest.param("out.txt", "outside", id="a symlink out of the folder"),
        pytest.param("to-hidden.txt", "dot-segment-or-hidden", id="a symlink to it"),
        pytest.param("x" * 256, "too-long", id="too long"),
    ],
)
def test_what_a_signed_url_would_not_deliver_is_not_sent(
    files: Path, caplog: pytest.LogCaptureFixture, path: str, fact: str
) -> None:
    """The log says why, in one line."""
    put(files, "folder/.git")
    (files / "out.txt").symlink_to("../outside.txt")
    (files / "to-hidden.txt").symlink_to("folder/.git")
    with caplog.at_level(logging.INFO), pytest.raises(NotServableError) as raised:
        find(files, path)
    assert raised.value.fact == fact
    assert caplog.messages == [f"{path!r} is not sent: not-servable:{fact}"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"path": Path("a.txt")}, TypeError, id="a path object"),
        pytest.param({"path": b"a.txt"}, TypeError, id="bytes"),
        pytest.param({"name": Path("a.txt")}, TypeError, id="a path as the name"),
        pytest.param({"max_age": -1}, ValueError, id="a negative age"),
        pytest.param({"max_age": 1.5}, ValueError, id="half a second"),
        pytest.param({"max_age": True}, ValueError, id="no number"),
        pytest.param({"rate": 0}, ValueError, id="no rate"),
        pytest.param({"rate": "1000"}, ValueError, id="text"),
    ],
)
def test_a_mistake_of_the_view_is_no_404(
    files: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="not"):
        find(files, **{"path": "a.txt"} | arguments)


def test_the_folder_may_be_a_symlink_that_is_swapped(
    files: Path, tmp_path: Path
) -> None:
    """A deployment replaces the whole tree at once."""
    put(files, "a.txt", b"old")
    put(tmp_path / "next", "a.txt", b"newer")
    root = tmp_path / "root"
    root.symlink_to(files)
    before = find(root, "a.txt").delivery.content.size
    root.unlink()
    root.symlink_to(tmp_path / "next")
    assert (before, find(root, "a.txt").delivery.content.size) == (3, 5)


def test_a_file_that_can_not_be_read_is_found(files: Path) -> None:
    """Only nginx has to read it."""
    put(files, "a.txt")
    (files / "a.txt").chmod(0)
    assert on_disk(find(files, "a.txt")).path.name == "a.txt"


@pytest.mark.parametrize(
    ("name", "as_attachment", "shown"),
    [
        pytest.param("a.txt", False, True, id="text"),
        pytest.param("a.txt", True, False, id="text that is to be saved"),
        pytest.param("a.pdf", False, True, id="PDF"),
        pytest.param("a.html", False, False, id="page"),
        pytest.param("a.svg", False, False, id="drawing"),
        pytest.param("a.unknown", False, False, id="unknown type"),
    ],
)
def test_only_what_can_not_run_script_is_shown(
    files: Path, name: str, *, as_attachment: bool, shown: bool
) -> None:
    put(files, name)
    found = find(files, name, as_attachment=as_attachment)
    assert found.delivery.is_inline is shown


def test_the_files_own_name_decides_about_its_type(files: Path) -> None:
    """Neither the name to save it as nor that of a symlink does: nginx sees neither."""
    put(files, "page.html")
    (files / "picture.png").symlink_to("page.html")
    found = find(files, "picture.png", name="other.txt")
    assert found.content_type == "text/html; charset=utf-8"
    assert on_disk(found).path.name == "page.html"
    assert found.delivery.name == "other.txt"
    assert not found.delivery.is_inline
    assert find(files, "picture.png").delivery.name == "picture.png"


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        pytest.param("", "a.txt", id="empty"),
        pytest.param("ü" * 3000 + ".pdf", "ü" * 125 + ".pdf", id="long"),
        pytest.param("\udc80.pdf", "?.pdf", id="no Unicode"),
    ],
)
def test_any_text_may_be_the_name(files: Path, name: str, saved_as: str) -> None:
    """It may be a title that somebody has typed, and nginx's buffers have an end."""
    put(files, "a.txt")
    assert find(files, "a.txt", name=name).delivery.name == saved_as


def test_nginx_is_told_the_file_and_what_it_passes_on(files: Path) -> None:
    put(files, "a b.png")
    found = find(files, "a b.png", name="c.png", max_age=60, rate=1000)
    assert found.nginx_headers() == {
        "X-Accel-Redirect": "/_shown_files/a%20b.png",
        "X-Accel-Limit-Rate": "1000",
        "Content-Disposition": 'inline; filename="c.png"',
        "Cache-Control": "private, max-age=60",
    }


def test_without_nginx_no_header_is_for_nginx(files: Path) -> None:
    put(files, "film.mp4")
    assert find(files, "film.mp4", rate=1000).headers() == {
        "Content-Type": "video/mp4",
        "Content-Disposition": 'inline; filename="film.mp4"',
        "Cache-Control": "private, max-age=0",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Resource-Policy": "same-site",
        "Content-Security-Policy": (
            "sandbox allow-same-origin; default-src 'none'; media-src 'self'; "
            "style-src 'unsafe-inline'"
        ),
    }


def test_the_validators_are_those_of_nginx(files: Path) -> None:
    """Fractions of a second do not count."""
    put(files, "a.txt")
    os.utime(files / "a.txt", ns=(NOON * 10**9, NOON * 10**9 + 999_999_999))
    assert on_disk(find(files, "a.txt")).validators() == {
        "ETag": f'"{NOON:x}-6"',
        "Last-Modified": "Fri, 15 Jan 2027 08:00:00 GMT",
    }
