"""One gateway serves from a data folder, and is told to reload by its process's id."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from gateway.errors import SuperviseError
from gateway.runtime import instance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note which process is sent SIGHUP, and send it nothing."""
    told: list[int] = []

    def note(number: int, sent: signal.Signals) -> None:
        assert sent is signal.SIGHUP
        told.append(number)

    monkeypatch.setattr(os, "kill", note)
    monkeypatch.setattr(instance, "_PATIENCE", 0)
    return told


def test_only_one_serves_from_a_folder(tmp_path: Path) -> None:
    """Two would take each other's sockets."""
    with (
        instance.hold(tmp_path / "data"),
        pytest.raises(SuperviseError, match="already serving"),
        instance.hold(tmp_path / "data"),
    ):
        pass


def test_a_reload_does_not_end_a_gateway_that_is_just_starting(tmp_path: Path) -> None:
    """It may wait for its catalog for hours; nobody starts it again after SIGHUP."""
    told: list[int] = []
    previous = signal.signal(signal.SIGHUP, lambda number, _: told.append(number))
    try:
        with instance.hold(tmp_path):
            signal.raise_signal(signal.SIGHUP)
        assert told == []
        signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert told == [signal.SIGHUP]


def test_who_was_refused_has_not_changed_who_is_told(
    tmp_path: Path, asked: list[int]
) -> None:
    """The lock's file names the process that holds it, whoever else has opened it."""
    with instance.hold(tmp_path):
        with pytest.raises(SuperviseError), instance.hold(tmp_path):
            pass
        with pytest.raises(SuperviseError, match="has not answered"):
            instance.reload(tmp_path)
    assert asked == [os.getpid()]


@pytest.mark.parametrize("is_old", [True, False], ids=["ended", "never-there"])
def test_where_none_serves_none_is_told(
    tmp_path: Path, asked: list[int], *, is_old: bool
) -> None:
    """In the wrong folder a reload must not seem to be done."""
    for folder in [tmp_path] * is_old:
        with instance.hold(folder):
            pass
    with pytest.raises(SuperviseError, match="is GATEWAY_DATA right"):
        instance.reload(tmp_path)
    assert asked == []


def test_one_of_another_container_is_not_told(
    tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the number of its process is another one's."""
    with instance.hold(tmp_path):
        monkeypatch.setattr(instance, "_namespace", lambda: "pid:[1]")
        with pytest.raises(SuperviseError, match="another container"):
            instance.reload(tmp_path)
    assert asked == []


def test_an_old_answer_does_not_count(tmp_path: Path, asked: list[int]) -> None:
    """The last reload was done; this one's gateway says nothing."""
    with instance.hold(tmp_path):
        instance.record_reload(tmp_path, "")
        with pytest.raises(SuperviseError, match="has not answered"):
            instance.reload(tmp_path)
    assert len(asked) == 1
