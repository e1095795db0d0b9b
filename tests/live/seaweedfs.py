"""SeaweedFS on this machine: an S3-compatible server that verifies signatures."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.live.ports import free_port
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_ID: Final = "GATEWAYTESTKEY"
SECRET: Final = "gatewaytestsecret"
BUCKET: Final = "media"
#: Its services; each has two ports.
_SERVICES: Final = ("master", "volume", "filer", "s3")


class SeaweedFS:
    """A server with one bucket; ``endpoint`` is its URL.

    It ignores SIGTERM for half a minute: it is ended by SIGKILL.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gw-s3-"))
        self._ports = {
            f"{service}.{port}": free_port()
            for service in _SERVICES
            for port in ("port", "port.grpc")
        }
        self.port = self._ports["s3.port"]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def settings(self, prefix: str = "", bucket: str = BUCKET) -> dict[str, str]:
        """Return the settings of a gateway whose files are below *prefix*."""
        return {
            "GATEWAY_FILES": f"s3://{bucket}/{prefix}",
            "GATEWAY_BUCKET_ENDPOINT": self.endpoint,
            "GATEWAY_BUCKET_KEY_ID": KEY_ID,
            "GATEWAY_BUCKET_SECRET": SECRET,
        }

    @cached_property
    def store(self) -> S3Store:
        """The client of the bucket."""
        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True, "timeout": "8s"},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=8)},
        )

    def put(self, key: str, content: bytes, **attributes: str) -> None:
        """Store an object; *attributes* are headers such as ``Content-Type``."""
        named = {name.replace("_", "-"): text for name, text in attributes.items()}
        obstore.put(self.store, key, content, attributes=named)

    def start(self) -> None:
        access = {"accessKey": KEY_ID, "secretKey": SECRET}
        identity = {"name": "tests", "credentials": [access], "actions": ["Admin"]}
        config = self.home / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        log = self.home / "log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [
                    # Ends with the tests, even if they are killed.
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(Path(sys.executable).with_name("weed"), "-logtostderr=true"),
                    *("server", f"-dir={self.home}", "-filer", "-s3"),
                    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
                    *(f"-{name}={port}" for name, port in self._ports.items()),
                    *(f"-s3.config={config}", "-s3.port.iceberg=0"),
                    *("-s3.port.lance=0", "-master.telemetry=false"),
                    *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
                ],
                cwd=self.home,
                stdout=file,
                stderr=file,
            )
        try:
            self._await_answers()
        except BaseException:
            self.kill()
            raise

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend it: it accepts connections but never answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
            self._await_answers()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Kill it; start it again at the end, with its objects."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Start it; kill it and delete its objects at the end."""
        try:
            self.start()
            yield self
        finally:
            self.kill()
            shutil.rmtree(self.home)

    def _await_answers(self) -> None:
        wait_until(self._answers, seconds=60, what="SeaweedFS stores an object")

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.home / "log").read_text()
        try:
            obstore.put(self.store, f"start/{token_hex(4)}", b"")
        except (BaseError, FileNotFoundError):
            return False
        return True
