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
_LINK: Final = "live"
_FOLDERS: Final = ("a", "b")


@dataclass(frozen=True)
class LiveConf:
    """Two folders below ``home``, and a link to the one that nginx reads.

    ``render`` writes a configuration into a folder that it is given, and
    returns its nginx.conf.  It goes to the folder that is not read, is checked
    there, and only then is the link swapped: nginx, whoever has it reload,
    never sees one that is half written or faulty.
    """

    home: Path
    render: Callable[[Path], Path]

    @property
    def path(self) -> Path:
        """The nginx.conf that nginx is started with."""
        return self.home / _LINK / "nginx.conf"

    def renew(self) -> None:
        """Replace what nginx reads next; when that fails, nothing has changed.

        Raise SuperviseError with nginx's words if it refuses the rendering.
        """
        folder = self._spare()
        check_conf(self.render(folder))
        link = self.home / f"{_LINK}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.rename(self.home / _LINK)

    def _spare(self) -> Path:
        link = self.home / _LINK
        live = link.readlink().name if link.is_symlink() else None
        name = next(name for name in _FOLDERS if name != live)
        shutil.rmtree(self.home / name, ignore_errors=True)
        return self.home / name


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
