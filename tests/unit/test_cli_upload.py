"""``gateway upload`` says in one line what it can't send, before it asks anybody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.command import Run

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_name_that_is_not_utf_8_is_one_clear_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "t")
    file = tmp_path / os.fsdecode(b"caf\xe9.txt")
    file.write_bytes(b"content")
    ran = run("upload", str(file), "--url", NOBODY)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "gateway: 'caf\\udce9.txt' is not UTF-8: rename it\n"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(b"t\xe9", id="not UTF-8"),
        pytest.param("tö".encode(), id="not ASCII"),
    ],
)
def test_what_is_no_token_is_one_clear_line(
    run: Run, tmp_path: Path, token: bytes
) -> None:
    for_token, file = tmp_path / "token", tmp_path / "a.txt"
    for_token.write_bytes(token)
    file.write_bytes(b"content")
    ran = run("upload", str(file), "--url", NOBODY, "--token-file", str(for_token))
    assert (ran.status, ran.out) == (1, "")
    assert (
        ran.err == "gateway: GATEWAY_TOKEN: is not a token: it has invalid characters\n"
    )
