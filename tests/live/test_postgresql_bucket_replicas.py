"""Two gateways on one PostgreSQL and one bucket, as in deploy/replicas.yml.

Each has a store of its own.  The clock of the second is 30 seconds ahead, and it asks
PostgreSQL through pgbouncer.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
import requests
from sqlalchemy import make_url

from tests.catalog.pgbouncer import pooled
from tests.live.balancers import running_nginx
from tests.live.ports import free_port
from tests.live.replicas import (
    CONNECTIONS,
    HOLDER,
    THREADS,
    Ahead,
    assert_uploads_are_shared,
    elsewhere,
    put,
    refusal,
    same_catalog,
    send,
)
from tests.live.shown import blocks
from tests.live.stack import PRESIGNED, NativeStack, fresh_client, wait_until
from tests.live.tus import CHUNK_TYPE, Tus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.catalog.postgres import Server
    from tests.live.seaweedfs import SeaweedFS

MIB = 2**20


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> dict[str, str]:
    """Return the settings of both, with which uploads are in a bucket."""
    return {
        **seaweedfs.access,
        "GATEWAY_BLOBS": f"s3://media/{token_hex(4)}",
        "GATEWAY_FREE_SPACE": "0",
        "GATEWAY_USER_QUOTA": "4M",
    }


@pytest.fixture(scope="module")
def first(postgresql: Server, bucket: dict[str, str]) -> Iterator[NativeStack]:
    with (
        postgresql.new_database() as url,
        NativeStack(
            **bucket,
            GATEWAY_DATABASE=f"{url}&application_name=first",
            GATEWAY_REPLICA="r1",
            GATEWAY_APP_THREADS=str(THREADS),
        ).running() as stack,
    ):
        yield stack
        assert PRESIGNED.search(stack.log()) is None


@pytest.fixture(scope="module")
def second(
    first: NativeStack, postgresql: Server, bucket: dict[str, str]
) -> Iterator[NativeStack]:
    wait_until(lambda: first.log_has(HOLDER), what="the first does the housekeeping")
    direct = first.settings["GATEWAY_DATABASE"]
    with pooled(postgresql, make_url(direct).database or "") as pooler:
        chosen = {"GATEWAY_DATABASE": pooler, "GATEWAY_DATABASE_DIRECT": direct}
        stack = Ahead(**same_catalog(first) | bucket | chosen, GATEWAY_REPLICA="r2")
        shutil.rmtree(stack.files)
        stack.files.symlink_to(first.files)
        with stack.running():
            yield stack
            assert PRESIGNED.search(stack.log()) is None


@pytest.fixture(scope="module")
def token(first: NativeStack, second: NativeStack) -> str:
    token = first.new_token("upload", "read")
    second.tokens.add(token)
    return token


def test_an_upload_at_one_is_fetched_and_deleted_at_the_other(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    assert_uploads_are_shared(first, second, token)


def test_a_revocation_at_one_holds_at_the_other_within_the_ttl(
    first: NativeStack, second: NativeStack
) -> None:
    first.put("revoked.txt")
    url = first.sign("revoked.txt")
    there = elsewhere(url, second)
    assert [second.send(there).status_code for _ in range(3)] == [200] * 3
    first.gateway("revoke", url)
    second.let_verdicts_end()
    assert second.send(there).status_code == 410


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


def test_password_attempts_at_both_are_counted_together(
    first: NativeStack, second: NativeStack
) -> None:
    first.put("secret.txt")
    made = first.gateway("shares", "new", "secret.txt", "--password", "right", "--json")
    url = json.loads(made)["recipients"][0]["url"]
    client = fresh_client()
    for stack in (first, second):
        stack.tokens.add(url.rpartition("/")[2])

    def guess(stack: NativeStack) -> requests.Response:
        form = {"password": "guess"}
        return stack.send(elsewhere(url, stack), "POST", client, data=form)

    # Five are free.  The last is at the gateway whose clock is ahead.
    free = [guess(stack).status_code for stack in (second, first, second, first)]
    free.append(guess(second).status_code)
    refused = guess(first)
    assert 429 not in free
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_the_quota_is_that_of_uploads_at_both_together(
    first: NativeStack, second: NativeStack
) -> None:
    first.gateway("users", "add", "ann", "--password", "a long password")
    token = first.new_token("upload", "read", user="ann")
    second.tokens.add(token)
    upload = partial(send, token=token, content=bytes(3 * MIB))
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(upload, (first, second))]
    later = [upload(stack).status_code for stack in (first, second)]
    assert sorted(answer.status_code for answer in answers) == [201, 507]
    assert later == [507, 507]


def test_the_page_s_query_names_the_gateway_that_does_the_housekeeping(
    first: NativeStack, second: NativeStack, postgresql: Server
) -> None:
    (query,) = blocks("docs/scaling.md", "sql", section="## Housekeeping")
    database = make_url(first.settings["GATEWAY_DATABASE"]).database or ""
    named = {f"gateway housekeeping {name}" for name in ("r1", "r2")}
    holders = named & set(postgresql.ask(query, database))
    assert len(holders) == 1
    assert second.log_has(HOLDER) == (holders == {"gateway housekeeping r2"})


def test_an_upload_is_at_the_gateway_in_its_url_and_the_page_s_balancer_knows(
    first: NativeStack, second: NativeStack, token: str, tmp_path: Path
) -> None:
    (shown,) = blocks("docs/scaling.md", "nginx", section="## Resumable uploads")
    port = free_port()
    for number, stack in enumerate((first, second), 1):
        shown = shown.replace(f"10.0.0.{number}:8080", f"127.0.0.1:{stack.port}")
    shown = shown.replace("listen 80;", f"listen 127.0.0.1:{port};")
    conf = (
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off;\n"
        f"client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
        f"{shown} }}"
    )
    bearer = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    def patch(path: str, offset: int, body: bytes) -> requests.Response:
        headers = {"Upload-Offset": str(offset), "Content-Type": CHUNK_TYPE}
        url = f"http://127.0.0.1:{port}{path}"
        return requests.patch(url, data=body, headers=bearer | headers, timeout=20)

    with running_nginx(tmp_path, conf, port):
        for here, there in ((first, second), (second, first)):
            path = Tus(here, token).create(6)
            Tus(here, token).patch(path, 0, b"ab")
            other = Tus(there, token)
            asked = [other.ask("HEAD", path), other.patch(path, 2, b"cd")]
            assert [answer.status_code for answer in asked] == [410, 410]
            assert patch(path, 2, b"cd").status_code == 204
            assert other.get(patch(path, 4, b"ef")) == b"abcdef"


def test_however_many_clients_there_are_connections_have_a_bound(
    first: NativeStack, second: NativeStack, token: str, postgresql: Server
) -> None:
    """Each gateway's own: those of the second are at the pooler."""
    first.put("flood.txt")
    made = put(first, token, b"content")
    bearer = {"Authorization": f"Bearer {token}"}
    pooler = make_url(second.settings["GATEWAY_DATABASE"]).query
    listener = f"{pooler['host']}/.s.PGSQL.{pooler['port']}"
    for stack in (first, second):
        stack.close_shell()

    def ask(number: int) -> int:
        stack = (first, second)[number % 2]
        path = ("/api/v1/files", made["url"], "/login")[number % 3]
        return stack.send(stack.url + path, headers=bearer).status_code

    firsts, seconds = [], []
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(ask, number) for number in range(240)]
        while not are_done(asked):
            names = postgresql.ask("SELECT application_name FROM pg_stat_activity")
            own = [names.count(f"gateway housekeeping {name}") for name in ("r1", "r2")]
            firsts.append(names.count("first") + own[0])
            seconds.append(accepted(listener) + own[1])
    assert {future.result() for future in asked} == {200}
    assert 5 < max(firsts) <= CONNECTIONS
    assert 5 < max(seconds) <= CONNECTIONS


def are_done(asked: list[Future[int]]) -> bool:
    return all(future.done() for future in asked)


def accepted(listener: str) -> int:
    """Return the number of connections to a unix socket (proc_net(5))."""
    rows = [row.split() for row in Path("/proc/net/unix").read_text().splitlines()]
    connected = "03"
    return sum(row[5] == connected and row[7:] == [listener] for row in rows[1:])


def test_a_gateway_with_another_bucket_does_not_start(
    first: NativeStack, bucket: dict[str, str]
) -> None:
    other = {"GATEWAY_BLOBS": "s3://media/another", "GATEWAY_REPLICA": "r3"}
    said = refusal(NativeStack(**same_catalog(first) | bucket | other))
    assert said.startswith("gateway: GATEWAY_BLOBS: s3://media/another does not ")


def test_when_the_holder_is_killed_the_other_does_the_housekeeping(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    """And the uploads of the killed one wait for its return."""
    client = Tus(first, token)
    path = client.create(3)
    client.patch(path, 0, b"ab")
    before = second.log_has(HOLDER)
    first.kill()
    wait_until(lambda: second.log_has(HOLDER), what="the other takes over")
    gone = Tus(second, token).patch(path, 2, b"c")
    first.start()
    done = client.patch(path, client.offset(path), b"c")
    assert not before
    assert not first.log_has(HOLDER)
    assert gone.status_code == 410
    assert client.get(done) == b"abc"
