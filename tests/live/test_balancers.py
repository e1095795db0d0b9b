"""The load balancers of ``deploy/replicas.yml`` and of ``deploy/kubernetes``."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gateway.config.settings import Settings
from tests.live.balancers import (
    DOMAIN,
    Balancer,
    ComposeBalancer,
    KubernetesBalancer,
)
from tests.live.shown import blocks
from tests.live.stack import ROOT, wait_until
from tests.unit.manifests import containers, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

FIRST, SECOND = Balancer.addresses


@pytest.fixture(params=[ComposeBalancer, KubernetesBalancer])
def balancer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Balancer]:
    with closing(request.param(tmp_path)) as found:
        found.start()
        yield found


def test_an_upload_goes_to_the_gateway_in_its_url(balancer: Balancer) -> None:
    for name, address in zip(balancer.names, balancer.addresses, strict=True):
        path = f"/tus/abcdefghijklmnopqrstuvwxyz.{name}"
        bodies = [bytes(size) for size in (1, 2_000_000, 1)]
        found = [balancer.ask(path, "PATCH", data=body) for body in bodies]
        assert found == [address] * 3
        assert balancer.ask(path, "HEAD") == address


def test_all_gateways_get_the_other_requests(balancer: Balancer) -> None:
    both = {FIRST, SECOND}
    assert {balancer.ask("/s/token/a.txt") for _ in range(40)} == both
    assert {balancer.ask("/tus", "POST") for _ in range(40)} == both


def test_a_gateway_that_refuses_connections_is_passed_over(balancer: Balancer) -> None:
    balancer.stop(0)
    found = {balancer.ask("/api/v1/files/a", "POST", data=b"a") for _ in range(20)}
    assert found | {balancer.ask("/s/token/a.txt") for _ in range(20)} == {SECOND}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_is_sent_to_another_gateway_after_a_503(
    balancer: Balancer, method: str
) -> None:
    """Only its gunicorn was killed: its nginx answers 503."""
    balancer.gateways[0].status = 503
    assert {balancer.ask("/s/token/a.txt", method) for _ in range(40)} == {SECOND}
    # It was asked in between, too: a 503 takes no gateway out.
    assert len(balancer.gateways[0].asked) > 10


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET"])
def test_a_body_is_sent_to_one_gateway_only(balancer: Balancer, method: str) -> None:
    body = bytes(100_000)
    balancer.gateways[0].status = 503
    sent = [balancer.send("/tus", method, data=body) for _ in range(20)]
    assert {answer.status_code for answer in sent} == {200, 503}
    assert balancer.count == 20


def test_a_503_of_all_gateways_reaches_the_client(balancer: Balancer) -> None:
    """The database restarts."""
    for gateway in balancer.gateways:
        gateway.status = 503
    answers = [
        balancer.send("/s/token/a.txt", method)
        for method in ("GET", "PUT", "POST") * 10
    ]
    for gateway in balancer.gateways:
        gateway.status = 200
    found = {(a.status_code, a.headers["Retry-After"]) for a in answers}
    assert found == {(503, "5")}
    assert {balancer.ask("/s/token/a.txt") for _ in range(40)} == {FIRST, SECOND}


def test_a_503_of_the_gateway_with_an_upload_is_its_last_word(
    balancer: Balancer,
) -> None:
    """Another gateway would answer 410, and the client would begin again."""
    balancer.gateways[0].status = 503
    path = f"/tus/abcdefghijklmnopqrstuvwxyz.{balancer.names[0]}"
    answers = [balancer.send(path, method) for method in ("HEAD", "PATCH")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert balancer.gateways[1].asked == []


def test_a_failure_is_logged_without_the_link(balancer: Balancer) -> None:
    for number in (0, 1):
        balancer.stop(number)
    answer = balancer.send("/s/a-token/a.txt", headers={"Referer": "/s/a-token"})
    assert answer.status_code == 502
    log = balancer.home / "log"
    wait_until(log.read_text, what="the failure is logged")
    (line,) = log.read_text().splitlines()
    tried = ", ".join([f"127.0.0.[23]:{balancer.gateways_port}"] * 2)
    assert re.search(f' 127.0.0.1 502 from "{tried}" "502, 502"$', line)


def test_a_gateway_gets_the_request_as_it_was_sent(balancer: Balancer) -> None:
    for method in ("GET", "POST"):
        headers = {"Host": "files.example.com"}
        answer = balancer.send("/s/a%2Fb/%C3%A4?x=%20", method, headers=headers)
        assert answer.headers["X-Path"] == "/s/a%2Fb/%C3%A4?x=%20"
        assert answer.headers["X-Host"] == "files.example.com"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("balancer", "clients"),
    [
        pytest.param(ComposeBalancer, "127.0.0.1", id="compose"),
        # A proxy stands in front of this one.
        pytest.param(KubernetesBalancer, "192.0.2.7, 127.0.0.1", id="Kubernetes"),
    ],
    indirect=["balancer"],
)
def test_a_gateway_is_told_the_client(
    balancer: Balancer, method: str, clients: str
) -> None:
    answer = balancer.send("/", method, headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.headers["X-Client"] == clients


@pytest.mark.parametrize("balancer", [KubernetesBalancer], indirect=True)
def test_uploads_of_a_gateway_that_is_gone_are_not_sent_to_another(
    balancer: Balancer,
) -> None:
    answer = balancer.send("/tus/abcdefghijklmnopqrstuvwxyz.gateway-7", "PATCH")
    assert answer.status_code == 502


class LimitingBalancer(ComposeBalancer):
    """With the page's limits, which are made lower: two connections, 1 + 5 requests."""

    def conf(self, running: ExitStack) -> str:
        (shown,) = blocks("docs/scaling.md", "nginx", section="## Request limits")
        defaults = Settings.model_fields
        connections = defaults["client_connections"].default
        rate = defaults["client_requests"].default
        for text, lower in (
            (f"limit_conn connections {connections};", "limit_conn connections 2;"),
            (f"rate={rate}r/s;", "rate=1r/m;"),
            (f"burst={rate} nodelay;", "burst=5 nodelay;"),
        ):
            assert text in shown
            shown = shown.replace(text, lower)
        # Tests are several clients.
        real = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;"
        conf = super().conf(running)
        return conf.replace("    server {", f"{real}\n{shown}\n    server {{", 1)


@pytest.fixture
def limiting(tmp_path: Path) -> Iterator[Balancer]:
    with closing(LimitingBalancer(tmp_path)) as found:
        found.start()
        yield found


def limited(balancer: Balancer, client: str, method: str = "GET") -> bool:
    """Send a request; return whether the balancer refuses it, as a gateway does."""
    before = balancer.count
    answer = balancer.send("/s/t/a", method, headers={"X-Forwarded-For": client})
    if answer.status_code == 200:
        assert not {"Retry-After", "Cache-Control"} & {*answer.headers}
        return False
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert balancer.count == before
    return True


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("clients", "other"),
    [
        pytest.param(["192.0.2.1"], "192.0.2.2", id="IPv4"),
        pytest.param(
            [f"2001:db8:0:1::{n}" for n in range(1, 5)], "2001:db8:0:2::1", id="/64"
        ),
        pytest.param(["::ffff:192.0.2.1"], "::ffff:192.0.2.2", id="mapped IPv4"),
        pytest.param(["64:ff9b::c000:201"], "64:ff9b::c000:202", id="translated IPv4"),
    ],
)
def test_the_page_s_limits_count_a_client_at_all_gateways(
    limiting: Balancer, clients: list[str], other: str, method: str
) -> None:
    asked = [limited(limiting, client, method) for client in clients * 8][:8]
    assert asked == [False] * 6 + [True] * 2
    assert not limited(limiting, other, method)


def test_the_page_s_limits_count_the_requests_at_a_time(limiting: Balancer) -> None:
    for gateway in limiting.gateways:
        gateway.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(limited, limiting, "192.0.2.1") for _ in range(2)]
        wait_until(lambda: limiting.count == 2, what="both are running")
        assert limited(limiting, "192.0.2.1")
        for gateway in limiting.gateways:
            gateway.may_answer.set()
        assert [future.result() for future in running] == [False, False]
    assert not limited(limiting, "192.0.2.1")


def test_a_429_of_a_gateway_is_passed_on_as_it_is(limiting: Balancer) -> None:
    for gateway in limiting.gateways:
        gateway.status = 429
    answer = limiting.send("/d/code", "POST")
    assert answer.status_code == 429
    assert not {"Retry-After", "Cache-Control"} & {*answer.headers}


def test_the_gateways_of_the_example_have_half_of_the_limits_each() -> None:
    compose = (ROOT / "deploy/replicas.yml").read_text()
    names = ("client_requests", "client_connections")
    found = {
        name: int(re.findall(rf"\$\{{GATEWAY_{name.upper()}:-(\d+)\}}", compose)[0])
        for name in names
    }
    assert {name: 2 * limit for name, limit in found.items()} == {
        name: Settings.model_fields[name].default for name in names
    }


@pytest.mark.parametrize(
    ("servers", "resolver"),
    [
        pytest.param(["10.96.0.10"], "10.96.0.10", id="IPv4"),
        pytest.param(["fd00::a"], "[fd00::a]", id="IPv6"),
        pytest.param(["10.96.0.10", "10.96.0.11"], "10.96.0.10", id="two servers"),
    ],
)
def test_the_container_tells_nginx_the_server_and_the_domain(
    tmp_path: Path, servers: list[str], resolver: str
) -> None:
    lines = [f"nameserver {server}\n" for server in servers]
    search = f"search {DOMAIN} svc.cluster.local cluster.local\n"
    (tmp_path / "resolv.conf").write_text(search + "".join(lines) + "options ndots:5\n")
    pod = objects("replicas", "Deployment")["balancer"]["spec"]["template"]["spec"]
    container = containers(pod)["nginx"]
    (script,) = container["args"]
    script = re.sub("^exec nginx ", "echo nginx ", script, flags=re.MULTILINE)
    script = script.replace("/etc/resolv.conf", str(tmp_path / "resolv.conf"))
    script = script.replace("/run/nginx", str(tmp_path))
    done = subprocess.run(
        [*container["command"], script], capture_output=True, text=True, check=True
    )
    (mount,) = (m for m in container["volumeMounts"] if m["name"] == "conf")
    assert done.stdout.endswith(f" -c {mount['mountPath']}/balancer.conf\n")
    written = (tmp_path / "dns.conf").read_text()
    assert written == f"resolver {resolver} valid=2s;\nset $domain {DOMAIN};\n"
