"""A copy of the checkout, as a newcomer has it before the first ``make``."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.live.ports import free_port
from tests.live.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A clean shell has no settings, no virtual environment, and nothing that an outer
#: make hands to an inner one.
_FOREIGN: Final = re.compile(
    r"GATEWAY_.*|BIND|M(AKE)?FLAGS|MAKE(LEVEL|OVERRIDES)|PYTHON[A-Z]+|VIRTUAL_ENV"
)


class Checkout:
    """All files that git knows of, in ``home``, and a free port for ``make run``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    @classmethod
    @contextmanager
    def copied(cls) -> Iterator[Checkout]:
        """Make a copy, and delete it with all created files at the end."""
        with tempfile.TemporaryDirectory(prefix="gw-") as home:
            yield cls(Path(home))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a clean shell; ``make run`` serves on the free port."""
        venv = str(Path(sys.executable).parent)
        path = [p for p in os.environ["PATH"].split(os.pathsep) if p != venv]
        return {
            **{k: v for k, v in os.environ.items() if not _FOREIGN.fullmatch(k)},
            "BIND": f"127.0.0.1:{self.port}",
            "PATH": os.pathsep.join(path),
            # The copy's package, whatever the virtual environment has.
            "PYTHONPATH": str(self.home),
        }

    def use_installed(self) -> None:
        """Use the installed and compiled files of these tests: make installs nothing.

        (!) The stamp files that make checks belong to the copy and are new: with an
            older stamp, make would install the copy's package into this virtual
            environment.
        """
        for source, mark, names in (
            (Path(sys.prefix), ".venv/.run", ("bin", "lib", "pyvenv.cfg")),
            (ROOT / "node_modules", "node_modules/.package-lock.json",
             ("tus-js-client",)),
        ):  # fmt: skip
            folder = (self.home / mark).parent
            folder.mkdir()
            for name in names:
                (folder / name).symlink_to(source / name)
            (self.home / mark).touch()
        # Sources keep their modification time, so that their compiled forms are valid.
        for compiled in ROOT.glob("gateway/**/__pycache__"):
            if (self.home / compiled.relative_to(ROOT)).parent.exists():
                shutil.copytree(compiled, self.home / compiled.relative_to(ROOT))

    def is_served(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
