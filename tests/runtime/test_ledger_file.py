"""The file whose size is a number: its blocks are freed, and the number stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import settings
from gateway.runtime import ledger_file
from gateway.runtime.ledger_file import LedgerFile
from gateway.runtime.rendering import NginxConf

if TYPE_CHECKING:
    from pathlib import Path

#: Kept verdicts: as many bytes.
NUMBER = 1 << 20


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "current.log").touch()
    (folder / "kept").write_bytes(b"\n" * NUMBER)
    chosen = {"GATEWAY_FILES": "/srv/files", "GATEWAY_DATA": str(tmp_path / "data")}
    files = NginxConf(
        settings=settings.read(chosen, check_disk=False).settings,
        listen="127.0.0.1:8080",
        run=tmp_path,
        conf=tmp_path,
        spool=tmp_path,
        byte_cache=tmp_path,
        ledger=folder,
    ).files()
    script = tmp_path / "ledger.sh"
    script.write_text(files["ledger.sh"])
    return LedgerFile(folder, script)


def size_and_blocks(ledger: LedgerFile) -> tuple[int, int]:
    state = (ledger.folder / "kept").stat()
    return state.st_size, state.st_blocks * 512


def test_the_blocks_of_a_long_file_are_freed(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "LONG", NUMBER)
    assert ledger.rotate(0) == ""
    size, blocks = size_and_blocks(ledger)
    assert size == NUMBER
    assert blocks < NUMBER // 2
    with (ledger.folder / "kept").open("ab") as nginx:
        nginx.write(b"\n")
    assert size_and_blocks(ledger)[0] == NUMBER + 1


def test_a_short_file_stays_as_it_is(ledger: LedgerFile) -> None:
    before = size_and_blocks(ledger)
    assert ledger.rotate(0) == ""
    assert size_and_blocks(ledger) == before


def test_without_holes_in_files_the_number_begins_again(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prometheus takes that for a restart; a full disk would be worse."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "fallocate").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "fallocate").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(ledger_file, "LONG", NUMBER)
    assert ledger.rotate(0) == ""
    assert size_and_blocks(ledger)[0] == 0


def test_without_the_file_nothing_is_done(ledger: LedgerFile) -> None:
    (ledger.folder / "kept").unlink()
    assert ledger.rotate(0) == ""
