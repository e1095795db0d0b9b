"""The folder of verdicts is made anew, is its owner's alone, and goes at the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gateway.errors import SuperviseError
from gateway.ops.verdict_cache import verdict_cache

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_there_for_its_user_while_it_is_needed(tmp_path: Path) -> None:
    """Nobody else may read a URL there, or write a verdict."""
    path = tmp_path / "verdicts"
    with verdict_cache(path):
        mode = path.stat().st_mode
    assert mode & 0o777 == 0o700
    assert not path.exists()


def test_what_a_crash_left_is_gone(tmp_path: Path) -> None:
    """A verdict of before may name what is not to be had any more."""
    path = tmp_path / "verdicts"
    path.mkdir(mode=0o777)
    (path / "left").touch()
    with verdict_cache(path):
        assert list(path.iterdir()) == []
        assert path.stat().st_mode & 0o777 == 0o700


def test_another_s_folder_is_no_place_for_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write there decides who gets which file."""
    path = tmp_path / "verdicts"
    path.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(SuperviseError, match="not this user's"), verdict_cache(path):
        pass
    assert path.exists()


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    """It could lead to anything."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "verdicts"
    path.symlink_to("elsewhere")
    with pytest.raises(SuperviseError, match="not this user's"), verdict_cache(path):
        pass
    assert (tmp_path / "elsewhere").exists()


def test_where_no_folder_can_be_is_said(tmp_path: Path) -> None:
    """The operator learns which setting helps."""
    path = tmp_path / "nowhere" / "verdicts"
    with (
        pytest.raises(SuperviseError, match="GATEWAY_VERDICT_CACHE"),
        verdict_cache(path),
    ):
        pass
