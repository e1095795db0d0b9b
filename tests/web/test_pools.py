"""Each pool answers its own URLs, and a verdict worker nothing that takes long."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.app import create_app
from gateway.catalog import tokens
from gateway.catalog.tokens import Scope
from gateway.config import settings
from gateway.http import families
from gateway.http.pools import Pool
from gateway.web.background import Background
from gateway.web.nginx.family import ADMIT, CUT
from tests.web.conftest import NOON
from tests.web.nginx import behind_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

    from gateway.catalog.users import User
    from tests.web.conftest import Site


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "data" / "run"


def application(site: Site, pool: Pool | None) -> Flask:
    """Return the application of a pool beside *site*."""
    reading = settings.read(
        {
            "GATEWAY_FILES": str(site.files),
            "GATEWAY_DATA": str(site.store.parent),
            "GATEWAY_KEYS": str(site.ring),
            "GATEWAY_SECRET": str(site.secret),
        }
    )
    app = create_app(reading.settings, pool=pool, clock=lambda: site.now)
    return behind_nginx(app)


def surface(app: Flask) -> set[tuple[str, str]]:
    """Return every rule with each of its methods."""
    return {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def test_every_url_is_one_pool_s(site: Site) -> None:
    whole = surface(application(site, None))
    verdicts = surface(application(site, Pool.VERDICTS))
    app = surface(application(site, Pool.APP))
    assert verdicts | app == whole
    assert verdicts & app == set()


@pytest.mark.parametrize("pool", Pool)
def test_a_pool_routes_what_nginx_asks_of_it(site: Site, pool: Pool) -> None:
    """The table of families says which pool that is; admissions are the app pool's."""
    asked = {
        (rule, method): Pool.APP
        if rule in {ADMIT, CUT}
        else families.asked(method, rule).pool
        for rule, method in surface(application(site, pool))
    }
    assert {route for route, own in asked.items() if own is not pool} == set()


def test_verdict_workers_answer_deliveries_alone(site: Site) -> None:
    verdicts = surface(application(site, Pool.VERDICTS))
    assert {rule for rule, _ in verdicts} == {
        "/s/<path:target>",
        "/l/<path:target>",
        "/files/<upload_id>/<path:name>",
        "/healthz",
    }
    assert {method for _, method in verdicts} == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("pool", Pool)
def test_what_a_pool_does_not_serve_is_not_there(site: Site, pool: Pool) -> None:
    client = application(site, pool).test_client()
    others = {Pool.VERDICTS: "/login", Pool.APP: site.sign("a.txt")}
    asked = [client.get(others[pool], headers=h) for h in ({}, {"X-Verdict": "a"})]
    statuses = [a.headers.get("X-Refusal-Status", str(a.status_code)) for a in asked]
    assert statuses == ["404", "404"]


def test_a_delivery_does_not_wait_for_the_catalog_s_writer(
    site: Site, ann: User
) -> None:
    """When a token was last used is noted behind the answer."""
    with site.database.write() as connection:
        token = tokens.new(
            connection, ann, scopes={Scope.READ}, expires=None, now=int(NOON)
        )
    client = application(site, Pool.VERDICTS).test_client()
    headers = {"Authorization": f"Bearer {token}"}
    with site.database.write():
        answer = client.get(f"/files/{'a' * 26}/a.txt", headers=headers)
    assert answer.status_code == 404
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.main_thread():
            thread.join(10)
    with site.database.read() as connection:
        (noted,) = tokens.everyone(connection)
    assert noted.last_used == int(NOON)


def test_background_work_is_done_one_thing_at_a_time() -> None:
    background, go, done = Background(), threading.Event(), threading.Event()
    seen: list[str] = []

    def first() -> None:
        go.wait(10)
        seen.append("first")
        done.set()

    background(first)
    background(lambda: seen.append("dropped"))
    go.set()
    assert done.wait(10)
    assert seen == ["first"]


def test_background_work_that_fails_leaves_room_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    background, done = Background(), threading.Event()

    def fail() -> None:
        raise RuntimeError

    background(fail)
    while not done.wait(0.01):
        background(done.set)


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Answer one request on a socket; yield the list that it goes to."""
    asked: list[bytes] = []
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                asked.append(peer.recv(4096))
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", {"status": "ok"}, id="ready"),
        pytest.param(
            b"HTTP/1.0 500 No\r\n\r\n",
            {"status": "failing", "failing": ["verdicts"]},
            id="failing",
        ),
    ],
)
def test_the_app_pool_is_ready_when_the_other_one_answers(
    site: Site, run: Path, answer: bytes, told: dict[str, object]
) -> None:
    client = application(site, Pool.APP).test_client()
    with answering(run / "verdicts.sock", answer) as asked:
        ready = client.get("/readyz")
    assert ready.json == told
    assert asked[0].startswith(b"GET /healthz ")


def test_the_app_pool_is_not_ready_without_the_other_one(site: Site) -> None:
    answer = application(site, Pool.APP).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "failing", "failing": ["verdicts"]},
    )
