"""How a command runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.cli import main
from tests.catalog.conftest import unsynced
from tests.unit.command import RING, SITE, Ran

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.command import Run

__all__ = ["unsynced"]


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Run a command as the console script does, in a separate folder."""
    mask = os.umask(0o022)
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files" / "a").mkdir(parents=True)
    (tmp_path / "files" / "a" / "b.txt").touch()
    monkeypatch.setenv("GATEWAY_KEYS", str(RING))
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", SITE)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    yield command
    os.umask(mask)
