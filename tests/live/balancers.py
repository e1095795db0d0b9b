"""The load balancers of ``deploy/``, on this machine, with gateways of the tests."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Final

import requests

from gateway.runtime.live_conf import find_nginx
from tests.live.ports import free_port
from tests.live.stack import ROOT, wait_until
from tests.unit.manifests import FOLDER, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


DOMAIN: Final = "files.svc.cluster.local"
_A: Final = 1
_NXDOMAIN: Final = 3


class _Handler(BaseHTTPRequestHandler):
    """Answers with its address, and with what it was asked."""

    server: Gateway

    def do_PATCH(self) -> None:
        """Answer after the body."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(self.command)
        assert self.server.may_answer.wait(20)
        self.send_response(self.server.status)
        if self.server.status == 503:
            self.send_header("Retry-After", "5")
        self.send_header("X-Gateway", self.connection.getsockname()[0])
        self.send_header("X-Path", self.path)
        self.send_header("X-Client", self.headers["X-Forwarded-For"])
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    # The names of http.server.
    do_GET = do_HEAD = do_OPTIONS = do_PATCH  # noqa: N815
    do_POST = do_PUT = do_PATCH  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


class Gateway(ThreadingHTTPServer):
    """A gateway, as far as a load balancer looks; it answers with ``status``."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__((address, port), _Handler)
        self.status = 200
        #: Cleared, requests wait for their answers.
        self.may_answer = threading.Event()
        self.may_answer.set()
        #: The methods of the requests that it has got.
        self.asked: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        with self:
            serve = partial(self.serve_forever, poll_interval=0.02)
            threading.Thread(target=serve, daemon=True).start()
            try:
                yield
            finally:
                self.shutdown()


@contextmanager
def running_nginx(home: Path, conf: str, port: int) -> Iterator[None]:
    """Run an nginx that listens on *port*; its output is in ``log``."""
    (home / "balancer.conf").write_text(conf)
    command = [find_nginx(), "-e", "stderr", "-g", "daemon off;", "-c"]
    with (
        (home / "log").open("ab") as log,
        subprocess.Popen(
            [*command, str(home / "balancer.conf")],
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as nginx,
    ):
        try:
            wait_until(lambda: _listens(port), what="the balancer listens")
            yield
        finally:
            nginx.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Balancer(ABC):
    """A balancer in front of two gateways, each on a loopback address of its own.

    ``names`` are the gateways' names in the URLs of upload sessions.
    """

    names: ClassVar[tuple[str, str]]
    addresses: ClassVar = ("127.0.0.2", "127.0.0.3")

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.gateways_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.gateways = [Gateway(each, self.gateways_port) for each in self.addresses]
        self._running = ExitStack()
        self._each = [ExitStack() for _ in self.gateways]

    @abstractmethod
    def conf(self, running: ExitStack) -> str:
        """Return nginx's configuration; *running* ends what it needs besides."""

    @property
    def count(self) -> int:
        """The number of requests that the gateways have got."""
        return sum(len(gateway.asked) for gateway in self.gateways)

    def start(self) -> None:
        for gateway, stack in zip(self.gateways, self._each, strict=True):
            self._running.enter_context(stack)
            stack.enter_context(gateway.running())
        conf = self.conf(self._running).replace("/run/nginx", str(self.home))
        conf = conf.replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        self._running.enter_context(running_nginx(self.home, conf, self.port))

    def stop(self, number: int) -> None:
        """Stop one gateway: it refuses connections."""
        self._each[number].close()

    def close(self) -> None:
        self._running.close()

    def ask(self, path: str, method: str = "GET", **options: object) -> str:
        """Return the address of the gateway that answers."""
        answer = self.send(path, method, **options)
        assert answer.status_code == 200
        return answer.headers["X-Gateway"]

    def send(
        self, path: str, method: str = "GET", **options: object
    ) -> requests.Response:
        return requests.request(method, self.url + path, timeout=20, **options)  # type: ignore[arg-type]


class ComposeBalancer(Balancer):
    """That of ``deploy/replicas.yml``."""

    names = ("r1", "r2")

    def conf(self, running: ExitStack) -> str:  # noqa: ARG002 -- it needs nothing
        conf = (ROOT / "deploy/replicas/balancer.conf").read_text()
        for number, address in enumerate(self.addresses, 1):
            place = f"{address}:{self.gateways_port}"
            conf = conf.replace(f"nginx-{number}:8080", place)
        return conf


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


class KubernetesBalancer(Balancer):
    """That of ``deploy/kubernetes/replicas``."""

    names = ("gateway-0", "gateway-1")

    def conf(self, running: ExitStack) -> str:
        pods = dict(zip(self.names, self.addresses, strict=True))
        names = running.enter_context(closing(Names(pods)))
        (self.home / "dns.conf").write_text(
            f"resolver {names.address} valid=2s;\nset $domain {DOMAIN};\n"
        )
        conf = (FOLDER / "replicas" / "balancer.conf").read_text()
        return conf.replace("$domain:8080", f"$domain:{self.gateways_port}")
