"""Two gateways on one PostgreSQL: what they share, and what is each one's own.

The clock of the second is 30 seconds ahead, and it asks PostgreSQL through pgbouncer.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sqlalchemy import make_url

from gateway.runtime.live_conf import find_nginx
from tests.catalog.pgbouncer import pooled
from tests.catalog.postgres import REQUIRED
from tests.lacking import lacking
from tests.live.ports import free_port
from tests.live.shown import blocks
from tests.live.stack import NativeStack, wait_until
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.catalog.postgres import Server

HOLDER = "housekeeping: does the catalog's work, for all gateways"
#: Threads of each of two app workers; there are three verdict workers.
THREADS = 4
#: The connections of one gateway, by the formula of docs/operations.md.
CONNECTIONS = 4 * 3 + (THREADS + 1) * 2 + 5
#: A revocation holds everywhere within a verdict's lifetime, one second, and the time
#: that a busy machine takes.
TTL = 8


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


@pytest.fixture(scope="module")
def first(postgresql: Server) -> Iterator[NativeStack]:
    with (
        postgresql.new_database() as url,
        NativeStack(
            GATEWAY_DATABASE=url,
            GATEWAY_REPLICA="r1",
            GATEWAY_APP_THREADS=str(THREADS),
        ).running() as stack,
    ):
        yield stack


@pytest.fixture(scope="module")
def second(first: NativeStack, postgresql: Server) -> Iterator[NativeStack]:
    wait_until(lambda: first.log_has(HOLDER), what="the first does the housekeeping")
    direct = first.settings["GATEWAY_DATABASE"]
    with pooled(postgresql, make_url(direct).database or "") as pooler:
        chosen = {"GATEWAY_DATABASE": pooler, "GATEWAY_DATABASE_DIRECT": direct}
        stack = Ahead(**shared(first) | chosen, GATEWAY_REPLICA="r2")
        shutil.rmtree(stack.files)
        stack.files.symlink_to(first.files)
        with stack.running():
            yield stack


def shared(stack: NativeStack) -> dict[str, str]:
    """Return the settings that another gateway of the same catalog has."""
    return {
        "GATEWAY_APP_THREADS": str(THREADS),
        "GATEWAY_DATABASE": stack.settings["GATEWAY_DATABASE"],
        "GATEWAY_KEYS": stack.settings["GATEWAY_KEYS"],
        "GATEWAY_SECRET_FILE": str(stack.home / "data/secret"),
        "GATEWAY_STORE": str(stack.home / "data/store"),
    }


@pytest.fixture(scope="module")
def token(first: NativeStack, second: NativeStack) -> str:
    token = first.new_token("upload", "read")
    second.tokens.add(token)
    return token


def elsewhere(url: str, stack: NativeStack) -> str:
    """Return the same URL at another gateway."""
    return f"{stack.url}/{url.split('/', 3)[3]}"


def put(stack: NativeStack, token: str, content: bytes) -> dict[str, Any]:
    stored = stack.send(
        f"{stack.url}/api/v1/files/a.bin",
        "PUT",
        data=content,
        headers={"Authorization": f"Bearer {token}"},
    )
    made: dict[str, Any] = stored.json()
    return made


def test_an_upload_at_one_is_fetched_and_deleted_at_the_other(
    first: NativeStack, second: NativeStack, token: str
) -> None:
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


def test_a_revocation_at_one_holds_at_the_other_within_the_ttl(
    first: NativeStack, second: NativeStack
) -> None:
    first.put("revoked.txt")
    url = first.sign("revoked.txt")
    there = elsewhere(url, second)
    assert [second.send(there).status_code for _ in range(3)] == [200] * 3
    first.gateway("revoke", url)
    wait_until(
        lambda: second.send(there).status_code == 410,
        seconds=TTL,
        what="the link is dead at the other gateway",
    )


def fetch(stack: NativeStack, url: str) -> bytes | None:
    """Press the button of a share's page; return what its lease delivers, if any."""
    pressed = stack.send(elsewhere(url, stack), "POST", headers={"Accept": "text/html"})
    lease = pressed.headers.get("Location", "/")
    got = stack.send(stack.url + lease)
    return got.content if got.status_code == 200 and "/l/" in lease else None


def test_one_download_taken_at_both_at_once_is_taken_once(
    first: NativeStack, second: NativeStack
) -> None:
    first.put("once.txt")
    made = first.gateway("shares", "new", "once.txt", "--max", "1", "--json")
    url = json.loads(made)["recipients"][0]["url"]
    for stack in (first, second):
        stack.tokens.add(url.rpartition("/")[2])
    with ThreadPoolExecutor(8) as pool:
        got = [*pool.map(partial(fetch, url=url), (first, second) * 4)]
    assert [content for content in got if content is not None] == [b"content\n"]


def test_a_login_at_one_is_one_at_the_other(
    first: NativeStack, second: NativeStack
) -> None:
    """Also if the clock of the first one is behind."""
    password = (first.home / "data/first-password").read_text().strip()
    with requests.Session() as browser:
        page = browser.get(f"{second.url}/login", timeout=10).text
        csrf = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        fields = {"csrf_token": csrf, "name": "admin", "password": password}
        browser.post(f"{second.url}/login", data=fields, timeout=10)
        pages = [
            browser.get(f"{stack.url}/password", allow_redirects=False, timeout=10)
            for stack in (second, first)
        ]
    assert [page.status_code for page in pages] == [200, 200]


def test_an_upload_begun_at_one_is_finished_at_the_other(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    here, there = Tus(first, token), Tus(second, token)
    path = here.create(6)
    here.patch(path, 0, b"abc")
    done = there.patch(path, there.offset(path), b"def")
    assert path.endswith(".r1")
    assert (done.headers["Upload-Offset"], here.get(done)) == ("6", b"abcdef")


def test_each_has_a_spool_and_a_ledger_of_its_own(
    first: NativeStack, second: NativeStack
) -> None:
    store = first.home / "data/store"
    for folder in ("spool", "ledger"):
        assert sorted(path.name for path in (store / folder).iterdir()) == ["r1", "r2"]
    assert not (second.home / "data/store").exists()


def test_the_page_s_query_names_the_gateway_that_does_the_housekeeping(
    first: NativeStack, second: NativeStack, postgresql: Server
) -> None:
    (query,) = blocks("docs/scaling.md", "sql", section="## Housekeeping")
    database = make_url(first.settings["GATEWAY_DATABASE"]).database or ""
    named = {f"gateway housekeeping {name}" for name in ("r1", "r2")}
    holders = named & set(postgresql.ask(query, database))
    assert len(holders) == 1
    assert second.log_has(HOLDER) == (holders == {"gateway housekeeping r2"})


def test_the_housekeeping_of_a_copied_name_does_nothing(first: NativeStack) -> None:
    """It would delete upload sessions whose files are in another store."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "housekeep", "--every", "1"],
        env=first.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as copied:
        assert copied.stderr is not None
        end = threading.Timer(20, copied.terminate)
        end.start()
        lines = [copied.stderr.readline().rstrip() for _ in range(2)]
        end.cancel()
        copied.terminate()
    assert lines[0] == "housekeeping: a round every 1 seconds"
    assert lines[1] == (
        "housekeeping: round failed, will retry: another gateway of the catalog is "
        "named r1; each needs a name of its own: set GATEWAY_REPLICA"
    )


@contextmanager
def balancer(folder: Path, *stacks: NativeStack) -> Iterator[str]:
    """Run the load balancer of the page; yield its URL."""
    (shown,) = blocks("docs/scaling.md", "nginx", section="## Resumable uploads")
    port = free_port()
    for number, stack in enumerate(stacks, 1):
        shown = shown.replace(f"10.0.0.{number}:8080", f"127.0.0.1:{stack.port}")
    shown = shown.replace("listen 80;", f"listen 127.0.0.1:{port};")
    (folder / "balancer.conf").write_text(
        f"pid {folder}/pid; events {{}} http {{ access_log off;\n"
        f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"{shown} }}"
    )
    command = [find_nginx(), "-e", "stderr", "-g", "daemon off;", "-c"]
    with subprocess.Popen([*command, folder / "balancer.conf"]) as nginx:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url), what="the load balancer answers")
            yield url
        finally:
            nginx.terminate()


def answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"{url}/healthz", timeout=5).ok
    return False


def test_a_load_balancer_sends_an_upload_to_the_gateway_in_its_url(
    first: NativeStack, second: NativeStack, token: str, tmp_path: Path
) -> None:
    paths = [Tus(stack, token).create(3) for stack in (first, second)]
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    with balancer(tmp_path, first, second) as url:
        asked = [
            requests.head(url + path, headers=headers, timeout=10)
            for path in paths
            for _ in range(4)
        ]
    by = [answer.headers["X-Request-ID"].partition("-")[0] for answer in asked]
    assert {answer.status_code for answer in asked} == {200}
    assert by == ["r1"] * 4 + ["r2"] * 4


def test_however_many_clients_there_are_connections_have_a_bound(
    first: NativeStack, second: NativeStack, token: str, postgresql: Server
) -> None:
    first.put("flood.txt")
    name = make_url(first.settings["GATEWAY_DATABASE"]).database
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    made = put(first, token, b"content")
    bearer = {"Authorization": f"Bearer {token}"}
    for stack in (first, second):
        stack.close_shell()

    def ask(number: int) -> int:
        stack = (first, second)[number % 2]
        path = ("/api/v1/files", made["url"], "/login")[number % 3]
        return stack.send(stack.url + path, headers=bearer).status_code

    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(ask, number) for number in range(240)]
        counts = [*iter(lambda: count_or_end(postgresql, query, asked), None)]
    assert {future.result() for future in asked} == {200}
    assert 10 < max(counts) <= 2 * CONNECTIONS


def count_or_end(server: Server, query: str, asked: list[Future[int]]) -> int | None:
    """Return the number of connections; None when all requests are answered."""
    if all(future.done() for future in asked):
        return None
    found: int = server.ask(query)[0]
    return found


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


def test_a_gateway_with_a_store_of_its_own_does_not_start(first: NativeStack) -> None:
    other = NativeStack(**first.settings | {"GATEWAY_REPLICA": "r3"})
    said = refusal(other)
    assert said.startswith(f"gateway: GATEWAY_STORE: {other.home}/data/store does not ")
    assert (first.home / "data/store/store-id").read_text().strip() in said


def test_a_gateway_with_another_s_name_does_not_start(first: NativeStack) -> None:
    said = refusal(NativeStack(**shared(first), GATEWAY_REPLICA="r1"))
    assert said.startswith("gateway: another gateway is named r1 in ")


def test_when_a_gateway_is_killed_the_other_does_its_work(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    """Last, since it restarts the first."""
    path = Tus(first, token).create(3)
    before = second.log_has(HOLDER)
    first.kill()
    wait_until(lambda: second.log_has(HOLDER), what="the other takes over")
    done = Tus(second, token).patch(path, 0, b"abc")
    first.start()
    assert not before
    assert done.status_code == 204
    assert not first.log_has(HOLDER)
