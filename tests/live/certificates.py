"""A certificate authority of the tests."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NEW_KEY: Final = (
    *("openssl", "req", "-x509", "-nodes", "-days", "2"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
)


class Authority:
    """An authority in *folder*; ``certificate`` is the file for SSL_CERT_FILE."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = folder / "authority.key"
        self.certificate = folder / "authority.pem"
        _openssl("-subj", "/CN=authority", key=self._key, out=self.certificate)

    def issue(self, host: str) -> Path:
        """Return a file with a new key, and its certificate for *host*."""
        file = self._folder / f"{host}.pem"
        _openssl(
            *("-subj", "/CN=server", "-addext", f"subjectAltName=DNS:{host}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key)),
            key=file,
            out=file,
        )
        return file


def _openssl(*options: str, key: Path, out: Path) -> None:
    command = (*_NEW_KEY, *options, "-keyout", str(key), "-out", str(out))
    subprocess.run(command, check=True, capture_output=True)
