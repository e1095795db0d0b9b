"""Several gateways on one PostgreSQL, for the live tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.catalog.postgres import REQUIRED
from tests.lacking import lacking
from tests.live.stack import NativeStack

if TYPE_CHECKING:
    import requests

#: In the log of the gateway that holds the lock.
HOLDER: Final = "housekeeping: does the catalog's work, for all gateways"
#: Threads of each of two app workers; there are three verdict workers.
THREADS: Final = 4
#: The connections of one gateway, by the formula of docs/operations.md.
CONNECTIONS: Final = 4 * 3 + (THREADS + 1) * 2 + 5

#: Added to sitecustomize.py: faketime breaks Python's sleep, which names a moment of
#: the monotonic clock.
SLEEP = """
import select, time

time.sleep = lambda seconds: select.select((), (), (), seconds)
"""


def faketime() -> str:
    """Return the library that changes the clock; skip, or fail where required."""
    found = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    if not found:
        reason = "no faketime is installed; on Debian: apt install faketime"
        lacking(reason, required=REQUIRED)
    return str(found[0])


class Ahead(NativeStack):
    """A gateway whose clock is 30 seconds ahead."""

    def prepare(self) -> None:
        super().prepare()
        self.environment |= {
            "LD_PRELOAD": faketime(),
            "FAKETIME": "+30s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with (self.home / "python" / "sitecustomize.py").open("a") as file:
            file.write(SLEEP)


def same_catalog(stack: NativeStack) -> dict[str, str]:
    """Return the settings that another gateway of the same catalog has."""
    return {
        "GATEWAY_APP_THREADS": str(THREADS),
        "GATEWAY_DATABASE": stack.settings["GATEWAY_DATABASE"],
        "GATEWAY_KEYS": stack.settings["GATEWAY_KEYS"],
        "GATEWAY_SECRET_FILE": str(stack.home / "data/secret"),
    }


def elsewhere(url: str, stack: NativeStack) -> str:
    """Return the same URL at another gateway."""
    return f"{stack.url}/{url.split('/', 3)[3]}"


def send(stack: NativeStack, token: str, content: bytes) -> requests.Response:
    """Upload *content* by PUT."""
    return stack.send(
        f"{stack.url}/api/v1/files/a.bin",
        "PUT",
        data=content,
        headers={"Authorization": f"Bearer {token}"},
    )


def put(stack: NativeStack, token: str, content: bytes) -> dict[str, Any]:
    """Upload *content*; return its JSON object."""
    made: dict[str, Any] = send(stack, token, content).json()
    return made


def refusal(stack: NativeStack) -> str:
    """Return the last line that `gateway serve` says when it does not start."""
    stack.prepare()
    refused = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--bind", f":{stack.port}"],
        env=stack.environment,
        cwd=stack.home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    stack.remove()
    assert refused.returncode == 1
    return refused.stderr.splitlines()[-1]


def assert_uploads_are_shared(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    """Assert that an upload at one is fetched and deleted at the other."""
    bearer = {"Authorization": f"Bearer {token}"}
    for here, there in ((first, second), (second, first)):
        made = put(here, token, here.name.encode())
        found = there.send(there.url + made["url"], headers=bearer)
        deleted = there.send(
            f"{there.url}/api/v1/files/{made['id']}", "DELETE", headers=bearer
        )
        gone = here.send(here.url + made["url"], headers=bearer)
        assert (found.status_code, found.content) == (200, here.name.encode())
        assert (deleted.status_code, gone.status_code) == (204, 404)
