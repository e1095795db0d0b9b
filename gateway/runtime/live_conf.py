"""The configuration that nginx runs on, and how it is replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import SuperviseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: nginx lives in sbin, which a user's PATH often lacks.
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
#: The link to the generation that nginx reads; nginx's container watches it.
_LINK: Final = "live"


@dataclass(frozen=True)
class LiveConf:
    """Generations of nginx's files: numbered folders below ``home``, and a link.

    ``render`` writes the files into a folder that it is given and returns the path
    of its nginx.conf; ``check`` raises SuperviseError if nginx would refuse it, and
    is None where nginx runs in another container, which checks by itself.
    A generation does not change any more once the link leads to it, and stays until
    the next but one: at a reload nginx never reads one that is half
    written or faulty.
    """

    home: Path
    render: Callable[[Path], Path]
    check: Callable[[Path], None] | None

    @property
    def path(self) -> Path:
        """The nginx.conf that nginx is started with."""
        return self.home / _LINK / "nginx.conf"

    def renew(self) -> None:
        """Make the next generation the live one; if that fails, nothing has changed.

        Raise SuperviseError with nginx's words if it refuses the rendering.
        """
        live = self._live()
        folder = self.home / str(live + 1)
        shutil.rmtree(folder, ignore_errors=True)
        conf = self.render(folder)
        if self.check is not None:
            self.check(conf)
        link = self.home / f"{_LINK}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.rename(self.home / _LINK)
        for path in self.home.iterdir():
            if path.name not in {_LINK, str(live), folder.name}:
                shutil.rmtree(path, ignore_errors=True)

    def _live(self) -> int:
        """Return the number of the live generation, or 0 if there is none."""
        link = self.home / _LINK
        name = link.readlink().name if link.is_symlink() else ""
        return int(name) if name.isdecimal() else 0


def find_nginx() -> str:
    """Return nginx's path; raise SuperviseError if it is not installed."""
    path = shutil.which("nginx") or shutil.which("nginx", path=_SBIN)
    if path is None:
        raise SuperviseError("nginx is not installed; on Debian: apt install nginx")
    return path


def directives() -> str:
    """Return what depends on how nginx is started, and stands in no file.

    It goes with every look at the configuration: even one that only checks it gives
    the cache's folder to the user who is named there.
    """
    # Workers of another user could not read the socket and the files.
    return "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"


def check_conf(path: Path) -> None:
    """Let nginx check a configuration; raise SuperviseError with its words."""
    check = subprocess.run(
        [find_nginx(), "-e", "stderr", "-q", "-t", "-g", directives(), "-c", path],
        capture_output=True,
        check=False,
    )
    if check.returncode:
        raise SuperviseError(
            "nginx refuses its configuration:\n"
            + check.stderr.decode(errors="replace").strip()
        )
