"""nginx's live configuration, and how a new version replaces it."""

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

#: Debian installs nginx in sbin, which a user's PATH often lacks.
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
#: The symlink to the version that nginx reads; the nginx container watches it.
_LINK: Final = "live"


@dataclass(frozen=True)
class LiveConf:
    """Versions of nginx's configuration: numbered folders in ``home``, and a symlink.

    ``render`` writes the files into the given folder and returns the path of its
    nginx.conf.  ``check`` raises SuperviseError if nginx would reject that file; it is
    None if nginx runs in another container, whose entrypoint checks each version.
    Once the symlink points to a version, it never changes, and it is kept until the
    second version after it is live: at a reload nginx never reads a half-written or
    invalid configuration.
    """

    home: Path
    render: Callable[[Path], Path]
    check: Callable[[Path], None] | None

    @property
    def path(self) -> Path:
        """The path of nginx.conf with which nginx is started."""
        return self.home / _LINK / "nginx.conf"

    def renew(self) -> None:
        """Render the next version and make it live; on failure, change nothing.

        Raise SuperviseError with nginx's message if nginx rejects it.
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
        """Return the number of the live version, or 0 if there is none."""
        link = self.home / _LINK
        name = link.readlink().name if link.is_symlink() else ""
        return int(name) if name.isdecimal() else 0


def find_nginx() -> str:
    """Return the path of the nginx program; raise SuperviseError if there is none."""
    path = shutil.which("nginx") or shutil.which("nginx", path=_SBIN)
    if path is None:
        raise SuperviseError("nginx is not installed; on Debian: apt install nginx")
    return path


def require_module(module: Path) -> None:
    """Raise SuperviseError if nginx's *module*, for files in buckets, is missing."""
    if not module.is_file():
        raise SuperviseError(
            f"files in a bucket need nginx's module {module}; on Debian: "
            "apt install libnginx-mod-http-headers-more-filter"
        )


def directives() -> str:
    """Return the directives for ``nginx -g``, which depend on how nginx is started.

    Pass them to every run of nginx: even ``nginx -t`` changes the owner of the cache
    folder to the configured user.
    """
    # Workers that run as another user could not read the socket and the files.
    return "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"


def check_conf(path: Path) -> None:
    """Run ``nginx -t`` on *path*; raise SuperviseError with nginx's message."""
    check = subprocess.run(
        [find_nginx(), "-e", "stderr", "-q", "-t", "-g", directives(), "-c", path],
        capture_output=True,
        check=False,
    )
    if check.returncode:
        raise SuperviseError(
            "nginx rejects its configuration:\n"
            + check.stderr.decode(errors="replace").strip()
        )
