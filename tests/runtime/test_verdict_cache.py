"""The folder of verdicts is made anew, is its owner's alone, and goes at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import SuperviseError
from gateway.runtime.verdict_cache import MEMORY, verdict_cache

#: The gateway's own folder, in which these paths do not lie.
RUN = Path("/nowhere")


def test_it_is_there_for_its_user_while_it_is_needed(tmp_path: Path) -> None:
    """Nobody else may read a URL there, or write a verdict."""
    path = tmp_path / "verdicts"
    with verdict_cache(path, RUN):
        mode = path.stat().st_mode
    assert mode & 0o777 == 0o700
    assert not path.exists()


def test_what_a_crash_left_is_gone(tmp_path: Path) -> None:
    """A verdict of before may name what is not to be had any more."""
    path = tmp_path / "verdicts"
    path.mkdir(mode=0o777)
    (path / "left").touch()
    with verdict_cache(path, RUN):
        assert list(path.iterdir()) == []
        assert path.stat().st_mode & 0o777 == 0o700


def test_another_s_folder_is_no_place_for_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write there decides who gets which file."""
    path = tmp_path / "verdicts"
    path.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with (
        pytest.raises(SuperviseError, match="not a folder of this user"),
        verdict_cache(path, RUN),
    ):
        pass
    assert path.exists()


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    """It could lead to anything."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "verdicts"
    path.symlink_to("elsewhere")
    with (
        pytest.raises(SuperviseError, match="not a folder of this user"),
        verdict_cache(path, RUN),
    ):
        pass
    assert (tmp_path / "elsewhere").exists()


def test_where_no_folder_can_be_is_said(tmp_path: Path) -> None:
    """The operator learns which setting helps."""
    path = tmp_path / "nowhere" / "verdicts"
    with (
        pytest.raises(SuperviseError, match="GATEWAY_VERDICT_CACHE"),
        verdict_cache(path, RUN),
    ):
        pass


def test_in_the_run_folder_it_is_memory_under_a_name_that_nobody_can_guess(
    tmp_path: Path,
) -> None:
    """A name that is known could be taken by another user before the gateway starts."""
    path = tmp_path / "verdicts"
    places = []
    for _ in range(2):
        with verdict_cache(path, tmp_path):
            places.append(path.readlink())
            assert path.stat().st_mode & 0o777 == 0o700
    assert {place.parent for place in places} == {MEMORY}
    assert places[0] != places[1]
    assert list(tmp_path.iterdir()) == []
    assert not any(place.exists() for place in places)


def test_what_a_crash_left_in_memory_is_gone(tmp_path: Path) -> None:
    """Verdicts outlive a kill in memory, and nobody would ever remove them."""
    path = tmp_path / "verdicts"
    crashed = verdict_cache(path, tmp_path)
    crashed.__enter__()
    left = path.readlink()
    with verdict_cache(path, tmp_path):
        assert path.readlink() != left
        assert not left.exists()


def test_a_link_of_somebody_else_s_is_not_followed(tmp_path: Path) -> None:
    """Only what an earlier start has made in memory is removed."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "verdicts"
    path.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(SuperviseError, match="not a folder of this user"),
        verdict_cache(path, tmp_path),
    ):
        pass
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702], ids=oct)
def test_a_run_folder_that_others_may_write_to_is_refused(
    tmp_path: Path, mode: int
) -> None:
    """They could replace the link, and decide who gets which file."""
    tmp_path.chmod(mode)
    with (
        pytest.raises(SuperviseError, match="GATEWAY_RUN"),
        verdict_cache(tmp_path / "verdicts", tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_memory_it_is_a_folder_of_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without /dev/shm serves all the same."""
    monkeypatch.setattr("gateway.runtime.verdict_cache.MEMORY", tmp_path / "nowhere")
    path = tmp_path / "verdicts"
    with verdict_cache(path, tmp_path):
        assert path.lstat().st_mode & 0o777 == 0o700
    assert not path.exists()
