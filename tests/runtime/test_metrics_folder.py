"""The metrics folder is in memory, empty at each start, and goes at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.runtime import metrics_folder as module
from gateway.runtime.metrics_folder import metrics_folder
from gateway.runtime.verdict_cache import MEMORY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_is_a_folder_in_memory_for_its_user(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    with metrics_folder(path):
        folder = path.readlink()
        assert (folder.parent, folder.stat().st_mode & 0o777) == (MEMORY, 0o700)
    assert not path.is_symlink()
    assert not folder.exists()


def test_its_memory_is_freed_even_if_the_run_folder_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    with metrics_folder(path):
        folder = path.readlink()
        path.unlink()
    assert not folder.exists()


def test_what_a_crash_left_is_gone(tmp_path: Path) -> None:
    """Both the counts and the folder in memory."""
    path = tmp_path / "metrics"
    crashed = metrics_folder(path)
    crashed.__enter__()
    before = path.readlink()
    (path / "left").touch()
    with metrics_folder(path):
        assert list(path.iterdir()) == []
        assert not before.exists()


def test_where_a_link_leads_that_is_not_its_own_nothing_is_removed(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "metrics"
    path.symlink_to(tmp_path / "elsewhere")
    with metrics_folder(path):
        pass
    assert (tmp_path / "elsewhere").exists()


def test_without_memory_it_is_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY", tmp_path / "missing")
    path = tmp_path / "metrics"
    with metrics_folder(path):
        assert (path.is_symlink(), path.stat().st_mode & 0o777) == (False, 0o700)
    assert not path.exists()


def test_a_folder_that_can_not_be_made_keeps_nobody_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(module, "MEMORY", memory)
    with metrics_folder(tmp_path / "missing" / "metrics"):
        assert list(memory.iterdir()) == []
