"""``deploy/replicas.yml``: two gateways behind a balancer, PostgreSQL and a bucket."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from gateway.catalog import revision
from tests.live.engine import require_containers, run
from tests.live.ports import free_port
from tests.live.stack import PRESIGNED, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.extra]


#: Seconds for which the load meets what was killed.
OUTAGE = 5
CONTENT = os.urandom(300_000)
#: Statuses of a request that was answered as it should.
GOOD = frozenset({200, 201})


class Replicas:
    """The containers; ``url`` is the balancer's address."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.net = f"10.88.{port % 250}"
        self.nginx = {1: f"http://{self.net}.11:8080", 2: f"http://{self.net}.12:8080"}
        self._environment = {
            **os.environ,
            "GATEWAY_BIND": f"127.0.0.1:{port}",
            "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_CLIENT_REQUESTS": "1000",
            "REPLICAS_NET": self.net,
        }
        self._project = f"gwreplicas{os.getpid()}x{port}"
        #: Texts that no log may contain.
        self.secrets: set[str] = set()
        self._logs = ""

    def compose(self, *arguments: str) -> str:
        return self._compose((), *arguments)

    def _compose(self, more_files: tuple[str, ...], *arguments: str) -> str:
        files = [f"--file={file}" for file in ("deploy/replicas.yml", *more_files)]
        command = ["docker", "compose", "-p", self._project, *files, *arguments]
        return run(command, self._environment)

    def stop(self, number: int) -> None:
        """Stop a gateway: first its nginx, which ends its requests."""
        self.compose("stop", f"nginx-{number}")
        self.compose("stop", f"gateway-{number}")

    def update(self, number: int, *release: str) -> None:
        """Start a gateway and its nginx, with *release*, a file of changes."""
        services = f"gateway-{number}", f"nginx-{number}"
        self._keep_logs(*services)
        self._compose(release, "up", "--wait", "--no-build", "--no-deps", *services)

    def _keep_logs(self, *services: str) -> None:
        """Read the logs of containers, which are deleted with them."""
        self._logs += self.compose("logs", "--no-color", *services)

    def logs(self) -> str:
        """Return the logs of the gateways and the nginx servers, from the start."""
        gateways = [f"gateway-{number}" for number in self.nginx]
        self._keep_logs(*gateways, *(f"nginx-{number}" for number in self.nginx))
        self._keep_logs("balancer")
        return self._logs

    def python(self, program: str) -> str:
        """Run *program* in the container of a gateway; return its output."""
        return self.compose("exec", "-T", "gateway-2", "python", "-c", program).strip()

    def sql(self, statement: str) -> str:
        """Return PostgreSQL's answer."""
        psql = ["psql", "--host=/run/postgresql", "--tuples-only", "--command"]
        return self.compose("exec", "-T", "postgresql", *psql, statement)

    def gateway(self, number: int, *arguments: str) -> str:
        """Run a command in the container of a gateway; return its output."""
        return self.compose(
            "exec", "-T", f"gateway-{number}", "gateway", *arguments
        ).strip()

    def sign(self) -> str:
        """Return a signed URL."""
        url = self.gateway(1, "sign", "hello.txt", "--expires", "1h")
        self.secrets.add(url.split("/")[4])
        return url

    def ask(self, method: str, url: str, **options: Any) -> requests.Response:
        headers = {"Host": "localhost", **options.pop("headers", {})}
        return requests.request(
            method, url, headers=headers, timeout=60, allow_redirects=False, **options
        )


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    require_containers()
    stack = Replicas()
    try:
        stack.compose("up", "--build", "--wait", "--quiet-pull")
        yield stack
        logs = stack.logs()
        assert "Traceback" not in logs
        assert PRESIGNED.search(logs) is None
        assert [secret for secret in stack.secrets if secret in logs] == []
    finally:
        stack.compose("down", "--volumes", "--timeout", "15")


@pytest.fixture(scope="module")
def bearer(replicas: Replicas) -> dict[str, str]:
    token = replicas.gateway(
        1, "tokens", "new", "admin", "--scope", "upload", "--scope", "read"
    )
    replicas.secrets.add(token)
    return {"Authorization": f"Bearer {token}"}


def put(
    replicas: Replicas, bearer: dict[str, str], base: str, content: bytes = CONTENT
) -> requests.Response:
    url = f"{base}/api/v1/files/a.bin"
    return replicas.ask("PUT", url, data=content, headers=bearer)


def test_what_one_gateway_has_stored_the_other_delivers_and_deletes(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    made = put(replicas, bearer, replicas.nginx[1]).json()
    for base in (*replicas.nginx.values(), replicas.url):
        got = replicas.ask("GET", base + made["url"], headers=bearer)
        assert got.content == CONTENT
    gone = replicas.ask(
        "DELETE", f"{replicas.nginx[2]}/api/v1/files/{made['id']}", headers=bearer
    )
    after = replicas.ask("GET", replicas.nginx[1] + made["url"], headers=bearer)
    assert (gone.status_code, after.status_code) == (204, 404)
    assert "0 findings" in replicas.gateway(2, "fsck", "--digest")


def test_a_revocation_at_one_gateway_holds_at_the_other(replicas: Replicas) -> None:
    url = replicas.sign()
    there = url.replace(replicas.url, replicas.nginx[2])
    assert replicas.ask("GET", there).status_code == 200
    replicas.gateway(1, "revoke", url)
    end = int(time.time()) + 1  # of the verdicts that are kept for this second
    wait_until(lambda: time.time() >= end, what="GATEWAY_VERDICT_TTL is over")
    assert replicas.ask("GET", there).status_code == 410


def test_one_download_is_taken_at_one_gateway_only(replicas: Replicas) -> None:
    link = replicas.gateway(1, "shares", "new", "hello.txt", "--max", "1")
    replicas.secrets.add(link.rpartition("/")[2])
    places = [link.replace(replicas.url, base) for base in replicas.nginx.values()] * 4
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda place: replicas.ask("POST", place), places))
        leases = [a.headers["Location"] for a in taken if a.status_code == 303]
        urls = [replicas.nginx[n % 2 + 1] + lease for n, lease in enumerate(leases)]
        got = list(pool.map(lambda url: replicas.ask("GET", url).status_code, urls))
    assert got.count(200) == 1


def test_a_resumable_upload_is_continued_where_it_began(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    tus = {"Tus-Resumable": "1.0.0", **bearer}
    made = replicas.ask(
        "POST",
        f"{replicas.url}/tus/",
        headers={"Upload-Length": str(len(CONTENT)), **tus},
    )
    path = made.headers["Location"]
    half = len(CONTENT) // 2
    for start, end in ((0, half), (half, len(CONTENT))):
        patched = replicas.ask(
            "PATCH",
            replicas.url + path,
            data=CONTENT[start:end],
            headers={
                "Upload-Offset": str(start),
                "Content-Type": "application/offset+octet-stream",
                **tus,
            },
        )
        assert patched.status_code == 204
    url = replicas.url + patched.headers["Content-Location"]
    assert replicas.ask("GET", url, headers=bearer).content == CONTENT


class Answer(NamedTuple):
    """What a client has got."""

    method: str
    status: int
    retry_after: str | None


class Load:
    """Downloads and uploads through the balancer, without a pause."""

    #: Each sends one request at a time.
    clients = ("download", "download", "upload", "upload")

    def __init__(self, replicas: Replicas, bearer: dict[str, str]) -> None:
        self._replicas, self._bearer = replicas, bearer
        self._url = replicas.sign()
        self._ended = threading.Event()
        self.answers: list[Answer] = []
        self.cut: list[str] = []
        self.stored: list[str] = []

    @property
    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status not in GOOD]

    def download(self) -> None:
        self._note(lambda: self._replicas.ask("GET", self._url))

    def upload(self) -> None:
        answer = self._note(
            lambda: put(self._replicas, self._bearer, self._replicas.url)
        )
        if answer is not None and answer.status_code == 201:
            self.stored.append(answer.json()["id"])

    def _note(self, ask: Any) -> requests.Response | None:
        try:
            answer: requests.Response = ask()
        except requests.RequestException as error:
            self.cut.append(str(error))
            return None
        method = answer.request.method or ""
        retry_after = answer.headers.get("Retry-After")
        self.answers.append(Answer(method, answer.status_code, retry_after))
        return answer

    def _repeat(self, what: Any) -> None:
        while not self._ended.is_set():
            what()

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(len(self.clients)) as pool:
            running = [
                pool.submit(self._repeat, getattr(self, what)) for what in self.clients
            ]
            time.sleep(1)
            try:
                yield
            finally:
                time.sleep(2)
                self._ended.set()
        for client in running:
            client.result()

    def assert_stored(self) -> None:
        """Everything that was acknowledged is there, at both gateways."""
        assert self.stored
        places = [
            f"{base}/files/{upload_id}/a.bin"
            for base in self._replicas.nginx.values()
            for upload_id in self.stored
        ]

        def is_there(url: str) -> bool:
            got = self._replicas.ask("GET", url, headers=self._bearer)
            return got.content == CONTENT

        with ThreadPoolExecutor(4) as pool:
            there = list(pool.map(is_there, places))
        lost = [place for place, found in zip(places, there, strict=True) if not found]
        assert lost == []


def test_a_gateway_that_is_killed_takes_only_its_connections_along(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    load = Load(replicas, bearer)
    with load.running():
        replicas.compose("kill", "nginx-1", "gateway-1")
        time.sleep(OUTAGE)
        replicas.update(1)
    assert {answer.status for answer in load.failures} <= {502, 503, 504}
    assert len(load.cut) + len(load.failures) <= len(load.clients)
    load.assert_stored()


def test_while_only_gunicorn_of_a_gateway_is_gone_no_download_fails(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    """Its nginx answers 503 to uploads, and nobody else has the body."""
    load = Load(replicas, bearer)
    with load.running():
        replicas.compose("kill", "gateway-1")
        time.sleep(OUTAGE)
        replicas.update(1)
    assert load.cut == []
    assert {*load.failures} == {Answer("PUT", 503, "5")}
    load.assert_stored()


def test_a_rolling_restart_fails_no_request(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    load = Load(replicas, bearer)
    with load.running():
        for number in (1, 2):
            replicas.stop(number)
            replicas.update(number)
    assert (load.cut, load.failures) == ([], [])
    load.assert_stored()


#: A migration that needs a lock on a table that uploads write to.
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("later", sa.String(32)))
"""


def test_a_rolling_update_with_a_migration_fails_no_request(
    replicas: Replicas, bearer: dict[str, str], tmp_path: Path
) -> None:
    """The next release is this one, and one migration more."""
    source = Path(revision.__file__).read_text(encoding="utf-8")
    newer = source.replace(f'"{revision.NEWEST}"', '"9999"', 1)
    (tmp_path / "revision.py").write_text(newer, encoding="utf-8")
    migration = MIGRATION.format(newest=revision.NEWEST)
    (tmp_path / "migration.py").write_text(migration, encoding="utf-8")
    folder = replicas.python(
        "import gateway.catalog, os; print(os.path.dirname(gateway.catalog.__file__))"
    )
    volumes = [
        f"{tmp_path}/revision.py:{folder}/revision.py:ro",
        f"{tmp_path}/migration.py:{folder}/migrations/versions/9999.py:ro",
    ]
    services = {f"gateway-{number}": {"volumes": volumes} for number in (1, 2)}
    release = tmp_path / "next.json"
    release.write_text(json.dumps({"services": services}), encoding="utf-8")
    load = Load(replicas, bearer)
    with load.running():
        for number in (1, 2):
            replicas.stop(number)
            replicas.update(number, str(release))
            assert "9999" in replicas.sql("SELECT version_num FROM alembic_version")
    assert (load.cut, load.failures) == ([], [])
    load.assert_stored()


def test_a_restart_of_the_database_is_a_503_for_a_while(
    replicas: Replicas, bearer: dict[str, str]
) -> None:
    load = Load(replicas, bearer)
    with load.running():
        replicas.compose("restart", "postgresql")
        wait_until(
            lambda: put(replicas, bearer, replicas.url).ok,
            seconds=60,
            what="uploads are stored again",
        )
    assert load.cut == []
    assert {answer[1:] for answer in load.failures} == {(503, "5")}
    load.assert_stored()
    assert "0 findings" in replicas.gateway(1, "fsck")
