"""docs/nginx.md can be typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.ops.live_conf import find_nginx
from tests.live.disks import require_root
from tests.live.ports import free_port
from tests.live.shown import PLACE, blocks
from tests.live.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            *("var/lib", "var/log/nginx"),
        ):
            (root / folder).mkdir(parents=True)
        debian = Path("/etc/nginx/nginx.conf").read_text("utf-8")
        self.write("/etc/nginx/nginx.conf", debian)
        self._certify()

    def write(self, place: str, text: str) -> None:
        Path(self._moved(place)).write_text(self._moved(text))

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
                *map(self._moved, shown),
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

    def _moved(self, text: str) -> str:
        places = r"(?<![\w.])(?=/(var|srv|run)/|/etc/(ssl|nginx/(?!m)))"
        text = re.sub(places, str(self.root), text)
        text = text.replace(PLACE, f"{PLACE}:{self.port}")
        return text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")

    def _certify(self) -> None:
        """Make the certificate that the page names, and have curl believe it."""
        host = PLACE.removeprefix("https://")
        certificate = self.root / f"etc/ssl/{host}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={host}",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-addext", f"subjectAltName=DNS:{host}",
             "-keyout", certificate.with_suffix(".key"), "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        (self.root / ".curlrc").write_text(
            f'cacert = "{certificate}"\n'
            f'resolve = "{host}:{self.port}:127.0.0.1"\n'
            # Both servers may still be about to start.
            "retry = 20\nretry-delay = 1\nretry-connrefused\n"
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    require_root()
    # pytest's own folder nobody else may search.
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


def test_the_page_of_nginx_can_be_typed_from_top_to_bottom(machine: Machine) -> None:
    install, *steps, check = blocks("docs/nginx.md", "sh")
    site, _proxy = blocks("docs/nginx.md", "nginx")
    machine.write("/srv/files/hello.txt", "hello\n")
    write = f"cat > /etc/nginx/conf.d/accel-gateway.conf <<'END'\n{site}END"
    done = machine.type(*steps, write, check)
    assert "pip install" in install
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
    assert "HTTP/2 200" in done.stdout
    assert done.stdout.endswith("\n\nhello\n")
