"""The load balancer of the manifests for Kubernetes, with a DNS server of this test."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import threading
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

import pytest
import requests

from gateway.runtime.live_conf import find_nginx
from tests.live.ports import free_port
from tests.live.stack import wait_until
from tests.unit.manifests import FOLDER, containers, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOMAIN: Final = "files.svc.cluster.local"
_A: Final = 1
_NXDOMAIN: Final = 3


class Names:
    """A DNS server: the names of pods, and of their Service, which has all of them."""

    def __init__(self, pods: dict[str, str]) -> None:
        self.pods = pods
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    def close(self) -> None:
        # An empty question ends the thread.
        self.socket.sendto(b"", self.socket.getsockname())

    def _serve(self) -> None:
        with self.socket:
            while True:
                question, client = self.socket.recvfrom(512)
                if not question:
                    return
                self.socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels, rest = [], question[12:]
        while length := rest[0]:
            labels.append(rest[1 : length + 1].decode())
            rest = rest[length + 1 :]
        end = len(question) - len(rest) + 5
        (kind,) = struct.unpack("!H", rest[1:3])
        known = self._addresses(".".join(labels))
        records = [
            struct.pack("!HHHIH4s", 0xC00C, _A, 1, 5, 4, socket.inet_aton(address))
            for address in known
            if kind == _A
        ]
        flags = 0x8180 if known else 0x8180 | _NXDOMAIN
        head = struct.pack("!2sHHHHH", question[:2], flags, 1, len(records), 0, 0)
        return head + question[12:end] + b"".join(records)

    def _addresses(self, name: str) -> list[str]:
        """Return the addresses of *name*, as a cluster gives them."""
        spec = objects("replicas", "StatefulSet")["gateway"]["spec"]
        service = f"{spec['serviceName']}.{DOMAIN}"
        if name == service:
            return list(self.pods.values())
        return [a for pod, a in self.pods.items() if name == f"{pod}.{service}"]


class Gateway(BaseHTTPRequestHandler):
    """Answers with its address, and with what it was asked."""

    def do_PATCH(self) -> None:
        """Answer after the body."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("X-Gateway", self.connection.getsockname()[0])
        self.send_header("X-Path", self.path)
        self.send_header("X-Client", self.headers["X-Forwarded-For"])
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH  # noqa: N815 -- http.server's names

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@contextmanager
def gateway(address: str, port: int) -> Iterator[None]:
    """Run a gateway, as far as a load balancer looks."""
    with ThreadingHTTPServer((address, port), Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


PODS: Final = {"gateway-0": "127.0.0.2", "gateway-1": "127.0.0.3"}


class Balancer:
    """The balancer's nginx on this machine, with gateways on two loopback addresses."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.gateways = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running = ExitStack()
        self._gateways = {pod: ExitStack() for pod in PODS}

    def start(self) -> None:
        names = self._running.enter_context(closing(Names(PODS)))
        for pod, stack in self._gateways.items():
            self._running.enter_context(stack)
            stack.enter_context(gateway(PODS[pod], self.gateways))
        (self.home / "dns.conf").write_text(
            f"resolver {names.address} valid=2s;\nset $domain {DOMAIN};\n"
        )
        conf = (FOLDER / "replicas" / "balancer.conf").read_text()
        conf = conf.replace("/run/nginx", str(self.home))
        conf = conf.replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        conf = conf.replace("$domain:8080", f"$domain:{self.gateways}")
        (self.home / "balancer.conf").write_text(conf)
        command = [find_nginx(), "-e", "stderr", "-g", "daemon off;", "-c"]
        log = self._running.enter_context((self.home / "log").open("ab"))
        nginx = subprocess.Popen(
            [*command, str(self.home / "balancer.conf")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self._running.callback(nginx.wait)
        self._running.callback(nginx.terminate)
        wait_until(self._listens, what="the balancer listens")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, pod: str) -> None:
        """Stop one gateway; its name stays."""
        self._gateways[pod].close()

    def close(self) -> None:
        self._running.close()

    def ask(self, path: str, method: str = "GET", **options: object) -> str:
        """Return the gateway that answers."""
        answer = self.send(path, method, **options)
        assert answer.status_code == 200
        return answer.headers["X-Gateway"]

    def send(
        self, path: str, method: str = "GET", **options: object
    ) -> requests.Response:
        return requests.request(method, self.url + path, timeout=20, **options)  # type: ignore[arg-type]


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    with closing(Balancer(tmp_path)) as found:
        found.start()
        yield found


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_an_upload_goes_to_the_gateway_in_its_url(balancer: Balancer, pod: str) -> None:
    path = f"/tus/abcdefghijklmnopqrstuvwxyz.{pod}"
    bodies = [bytes(size) for size in (1, 2_000_000, 1)]
    found = {balancer.ask(path, "PATCH", data=body) for body in bodies}
    assert found == {PODS[pod]}


def test_all_gateways_get_the_other_requests(balancer: Balancer) -> None:
    assert {balancer.ask("/s/token/a.txt") for _ in range(40)} == {*PODS.values()}
    assert {balancer.ask("/tus", "POST") for _ in range(40)} == {*PODS.values()}


def test_a_gateway_that_refuses_connections_is_passed_over(balancer: Balancer) -> None:
    balancer.stop("gateway-0")
    found = {balancer.ask("/api/v1/files/a", "POST", data=b"a") for _ in range(20)}
    assert found == {PODS["gateway-1"]}


def test_a_failure_is_logged_without_the_link(balancer: Balancer) -> None:
    for pod in PODS:
        balancer.stop(pod)
    answer = balancer.send("/s/a-token/a.txt", headers={"Referer": "/s/a-token"})
    assert answer.status_code == 502
    log = balancer.home / "log"
    wait_until(log.read_text, what="the failure is logged")
    (line,) = log.read_text().splitlines()
    tried = ", ".join(f"127.0.0.[23]:{balancer.gateways}" for _ in PODS)
    assert re.search(f' 127.0.0.1 502 from "{tried}" "502, 502"$', line)


def test_uploads_of_a_gateway_that_is_gone_are_not_sent_to_another(
    balancer: Balancer,
) -> None:
    answer = balancer.send("/tus/abcdefghijklmnopqrstuvwxyz.gateway-7", "PATCH")
    assert answer.status_code == 502


def test_a_gateway_gets_the_request_as_the_proxy_in_front_has_sent_it(
    balancer: Balancer,
) -> None:
    headers = {"Host": "files.example.com", "X-Forwarded-For": "192.0.2.7"}
    answer = balancer.send("/s/a%2Fb/%C3%A4?x=%20", headers=headers)
    assert answer.headers["X-Path"] == "/s/a%2Fb/%C3%A4?x=%20"
    assert answer.headers["X-Host"] == "files.example.com"
    assert answer.headers["X-Client"] == "192.0.2.7, 127.0.0.1"


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
