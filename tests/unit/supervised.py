"""Runs a Supervisor on fake children: ``python -m tests.unit.supervised HOME``.

It is a separate process: the supervisor handles signals that pytest must not get.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from gateway.errors import GatewayError, SuperviseError
from gateway.http.pools import Pool
from gateway.origin import Origin
from gateway.runtime.ledger_file import LedgerFile
from gateway.runtime.live_conf import LiveConf, check_conf
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.upstream_names import UpstreamNames

SERVER = Origin("https", "bucket.test", 443)


def main(home: Path) -> int:
    """Supervise as ``gateway serve`` does; return its exit status."""
    orders = json.loads((home / "orders").read_text())

    def render(folder: Path) -> Path:
        with (home / "events").open("a") as events:
            events.write(f"supervisor rendered {os.getpid()}\n")
        if (home / "render-fault").exists():
            raise SuperviseError("the rendering failed")
        folder.mkdir(parents=True)
        return folder / "nginx.conf"

    def addresses(_: object) -> frozenset[str]:
        with (home / "asked").open("a") as asked:
            asked.write(".")
        with suppress(FileNotFoundError):
            return frozenset((home / "addresses").read_text().split())
        return frozenset()

    port = orders["port"]
    conf = LiveConf(home / "conf", render, check_conf if port else None)
    supervisor = Supervisor(
        conf=conf,
        reload=conf.renew,
        # In this folder, for the children only, `python -m gateway` is a fake, too.
        environment={**os.environ, "PYTHONPATH": str(home / "bin")},
        sockets={pool: home / pool.socket for pool in Pool},
        address=("127.0.0.1", port) if port else None,
        names=UpstreamNames(lambda: [SERVER], addresses, lambda *_: False),
        grace=orders["grace"],
        ledger=LedgerFile(home / "ledger", home / "ledger.sh"),
    )
    try:
        with (
            patch("gateway.runtime.supervisor._START_SECONDS", orders["start_seconds"]),
            patch("gateway.runtime.child._END_SECONDS", orders["end_seconds"]),
            patch("gateway.runtime.upstream_names._INTERVAL", 0.05),
        ):
            return supervisor.run(on_ready=lambda: print("ready", flush=True))  # noqa: T201 -- the test waits for it
    except GatewayError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
