"""The bucket server of the tests, which can be frozen and killed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import seaweedfs
from bench.seaweedfs import BUCKET, KEY_ID, SECRET
from tests.live.certificates import Authority
from tests.live.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BUCKET", "KEY_ID", "SECRET", "SeaweedFS"]


class SeaweedFS(seaweedfs.SeaweedFS):
    """SeaweedFS on ports of the tests.

    At ``https_endpoint`` it uses TLS, with a certificate of ``authority``.
    """

    def __init__(self) -> None:
        super().__init__(free_port)
        self.authority = Authority(self.home / "tls")
        certificate = self.authority.issue("localhost")
        port = free_port()
        self.https_endpoint = f"https://localhost:{port}"
        self.options = (
            f"-s3.port.https={port}",
            f"-s3.cert.file={certificate}",
            f"-s3.key.file={certificate}",
        )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend it: it accepts connections but never answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
            self.await_answers()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Kill it; start it again at the end, with its objects."""
        self.kill()
        try:
            yield
        finally:
            self.start()
