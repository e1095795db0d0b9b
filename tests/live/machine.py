"""A machine with an nginx of its own, as the documentation has it."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.address import accepts
from gateway.runtime.live_conf import find_nginx
from tests.live.disks import require_root
from tests.live.ports import free_port
from tests.live.shown import PLACE
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = PLACE.removeprefix("https://")


class Machine:
    """A folder that stands for a Debian machine, whose nginx runs already.

    What a page shows is typed with that folder for the root, another port for 443,
    and this program in place of an installed one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        for folder in (
            *("etc/nginx/conf.d", "etc/ssl", "run", "srv/files"),
            *("var/cache", "var/lib", "var/log/nginx"),
        ):
            (root / folder).mkdir(parents=True)
        debian = Path("/etc/nginx/nginx.conf").read_text("utf-8")
        self.write("/etc/nginx/nginx.conf", debian)
        self._certify()

    def write(self, place: str, text: str) -> None:
        Path(self.moved(place)).write_text(self.moved(text))

    def type(self, *shown: str) -> subprocess.CompletedProcess[str]:
        """Type what a page shows; what it left in the background then ends."""
        nginx = f"{find_nginx()} -c {self.root}/etc/nginx/nginx.conf"
        tls = f"{self.root}/etc/nginx/gateway/snippets/tls.conf"
        ports = f"s/ 443 / {self.port} /; s/:443 /:{self.port} /"
        script = "\n".join(
            [
                nginx,
                f"trap 'kill $(jobs -p); wait; {nginx} -s quit' EXIT",
                f'nginx() {{ sed -i "{ports}" {tls}; {nginx} "$@"; }}',
                *map(self.moved, shown),
            ]
        )
        return subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=ROOT,
            env={"HOME": str(self.root), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run nginx on what has been written."""
        conf = self.root / "etc/nginx/nginx.conf"
        command = [find_nginx(), "-c", str(conf), "-g", "daemon off;"]
        with subprocess.Popen(command) as nginx:
            wait_until(lambda: accepts(("127.0.0.1", self.port)), what="nginx answers")
            yield
            nginx.terminate()

    def connect(self) -> closing[Connection]:
        """Return a connection to the page's host, which opens at its first request."""
        return closing(Connection(self.port, self.root / f"etc/ssl/{HOST}.pem"))

    def moved(self, text: str) -> str:
        """Return what a page shows, for this folder, port and program."""
        places = r"(?<![\w.])(?=/(var|srv|run)/|/etc/(ssl|nginx/(?!m)))"
        text = re.sub(places, str(self.root), text)
        text = text.replace(PLACE, f"{PLACE}:{self.port}")
        return text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")

    def _certify(self) -> None:
        """Make the certificate that the page names, and have curl believe it."""
        certificate = self.root / f"etc/ssl/{HOST}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-addext", f"subjectAltName=DNS:{HOST}",
             "-keyout", certificate.with_suffix(".key"), "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        (self.root / ".curlrc").write_text(
            f'cacert = "{certificate}"\n'
            f'resolve = "{HOST}:{self.port}:127.0.0.1"\n'
            # Both servers may still be about to start.
            "retry = 20\nretry-delay = 1\nretry-connrefused\n"
        )


class Connection(HTTPSConnection):
    """A connection to the page's host, which is this machine with another port."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._trust = ssl.create_default_context(cafile=certificate)
        self._address = ("127.0.0.1", port)
        super().__init__(HOST, context=self._trust)

    def connect(self) -> None:
        """Open it."""
        plain = socket.create_connection(self._address, 20)
        self.sock = self._trust.wrap_socket(plain, server_hostname=HOST)

    def begin(self, method: str, path: str, **headers: str) -> None:
        """Send a request's head; ``Upload_Offset="5"`` is ``Upload-Offset: 5``."""
        self.putrequest(method, path)
        for name, text in headers.items():
            self.putheader(name.replace("_", "-"), text)
        self.endheaders()


@contextmanager
def a_machine() -> Iterator[Machine]:
    require_root()
    # pytest's own folder nobody else may search.
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))
