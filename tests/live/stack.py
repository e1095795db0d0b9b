"""Stacks for the live tests: a running gateway, native or in two containers."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from gateway.links import Key, KeyRing, LinkSigner
from tests.live.engine import build_images, run
from tests.live.log import Log
from tests.live.ports import free_port
from tests.live.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.http.pools import Pool
    from tests.live.seaweedfs import SeaweedFS

ROOT: Final = Path(__file__).resolve().parents[2]
ORIGIN: Final = "https://www.example.com"
#: The stack trusts the tests' X-Forwarded-For, so that a test can be several clients.
TRUSTED: Final = "127.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
CONNECTIONS: Final = 20
#: sitecustomize.py of a native stack.  A real password hash takes 0.2 s, and so does a
#: garbage collection of the imported modules; the containers do both.
QUICKLY: Final = """
import functools
import gc
import argon2

gc.set_threshold(100_000)
argon2.PasswordHasher = functools.partial(
    argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1
)
"""
#: Time for which nginx may buffer a line of its log, and to read it.
LOG_SECONDS: Final = 1.0
#: Errors that tests cause on purpose: a file that nginx can't read, and a site that
#: answers with a status that HTTP does not have.
EXPECTED: Final = re.compile(
    r'\[crit\] \S+ \S+ openat\(\) "\S+/r/private\.txt" failed \(13: '
    r"|\[error\] \S+ \S+ auth request unexpected status: [49]99 while "
)
#: A parameter of a presigned URL that was not redacted.
PRESIGNED: Final = re.compile(r"X-Amz-[A-Za-z-]+=(?!\[redacted\])")
#: Headers of every answer to ORIGIN.
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": ORIGIN,
    "Server": "nginx",
}

_clients = itertools.count(1)


def fresh_client() -> str:
    """Return the address of a new client, in its own /64."""
    number = next(_clients)
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"


def wait_until(
    condition: Callable[[], object], *, seconds: float = 15, what: str
) -> None:
    """Poll until *condition* is true; fail with *what* after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


#: Methods for which verdicts are cached.
SAFE: Final = frozenset({"GET", "HEAD"})
#: Headers that may differ between two equal answers; nginx closes the connections of
#: a worker that a reload ends.
OWN: Final = frozenset({"Date", "X-Request-ID", "Cache-Control", "Connection"})


def facts(answer: requests.Response) -> dict[str, str]:
    """Return the status and headers that answers to equal requests have in common."""
    # A refusal's body has the request's id, whose length differs.
    own = OWN if answer.ok else OWN | {"Content-Length"}
    return {
        "status": str(answer.status_code),
        **{
            name: re.sub(r"boundary=\d+", "", text)
            for name, text in answer.headers.items()
            if name not in own
        },
    }


class Stack(ABC):
    """A running gateway; ``files`` is its files tree, ``keys`` its key ring."""

    name: str
    _log: Log

    def __init__(self, **settings: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gw-"))
        self.home.chmod(0o755)
        self.files = self.home / "files"
        self.files.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.keys = KeyRing((Key.generate(), Key.generate()))
        self.signer = LinkSigner(self.keys, self.url)
        self.tokens: set[str] = set()
        self._shell: Shell | None = None
        self.settings = {
            "GATEWAY_CLIENT_CONNECTIONS": str(CONNECTIONS),
            "GATEWAY_CORS_ORIGINS": ORIGIN,
            "GATEWAY_GRACE": "10",
            # Sent to clients whose proxy says that they use TLS.
            "GATEWAY_HSTS": "365d",
            "GATEWAY_INLINE_TYPES": "text/vtt",
            "GATEWAY_KEYS": str(self.keys),
            "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_SHARED_MAX_AGE": "60",
            "GATEWAY_TRUSTED_PROXIES": TRUSTED,
            "GATEWAY_WORKERS": "3",
            "GATEWAY_APP_WORKERS": "2",
            **settings,
        }

    def put(self, path: str, content: bytes = b"content\n") -> Path:
        """Put a file into the tree atomically, as a deployment would.

        (!) nginx keeps a file open until the clock's second changes: if the file was
            requested before, the old content may be sent.
        """
        target = self.files / path
        target.parent.mkdir(parents=True, exist_ok=True)
        new = self.home / "new"
        new.write_bytes(content)
        return new.rename(target)

    def sign(self, path: str, **claims: Any) -> str:
        """Return a signed URL; its token must never appear in a log."""
        url = self.signer.sign(path, **{"expires": timedelta(hours=1), **claims})
        self.tokens.add(url.removeprefix(self.url).split("/")[2])
        return url

    def ask(
        self, url: str, method: str = "GET", client: str | None = None, **options: Any
    ) -> requests.Response:
        """Send a request as *client*; return the answer.

        If verdicts are cached, a signed URL is requested three times, so that the last
        answer uses a cached verdict; all three answers must be equal.
        """
        asked = client or fresh_client()
        if (
            self.keeps_verdicts
            and method in SAFE
            and {"/s/", "/l/"} & {url[len(self.url) :][:3]}
        ):
            first, second, cached = (
                self.send(url, method, asked, **options) for _ in range(3)
            )
            assert facts(first) == facts(second) == facts(cached)
            return cached
        return self.send(url, method, asked, **options)

    def send(
        self, url: str, method: str = "GET", client: str = "", **options: Any
    ) -> requests.Response:
        """Send exactly one request, on a new connection."""
        headers = {
            "X-Forwarded-For": client or fresh_client(),
            "Accept-Encoding": "identity",
            **options.pop("headers", {}),
        }
        return requests.request(
            method,
            url,
            headers=headers,
            timeout=30,
            allow_redirects=False,
            **options,
        )

    @property
    def keeps_verdicts(self) -> bool:
        return self.settings.get("GATEWAY_VERDICT_TTL") != "0"

    def let_verdicts_end(self) -> None:
        """Wait until all verdicts that nginx has cached are expired."""
        end = int(time.time()) + self.keeps_verdicts
        wait_until(lambda: time.time() >= end, what="the second is over")

    def raw(self, data: bytes, *, seconds: float = 20) -> bytes:
        """Send raw bytes and return the complete answer."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as peer:
            peer.sendall(data)
            answer = b""
            try:
                while not _is_last(answer) and (chunk := peer.recv(1 << 16)):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    @contextmanager
    def connected(self, data: bytes) -> Iterator[socket.socket]:
        """Yield a connection on which *data* was sent."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as peer:
            peer.sendall(data)
            yield peer

    def log(self) -> str:
        """Return the complete log of nginx and gunicorn."""
        self._log.read()
        return self._log.text

    def logged(self) -> list[dict[str, Any]]:
        """Return the rows of the access log; each must be JSON in UTF-8."""
        self._log.read()
        return list(self._log.rows)

    def whole_log(self) -> str:
        """Return the log after nginx has written all lines that it had buffered."""
        end = time.monotonic() + LOG_SECONDS
        wait_until(lambda: time.monotonic() > end, what="nginx has written its log")
        return self.log()

    def log_has(self, text: str) -> bool:
        return text in self.log()

    def assert_clean(self) -> None:
        """No error, no traceback and no token in any log; all requests as JSON."""
        log = EXPECTED.sub("", self.log())
        for fault in ("[error]", "[alert]", "[crit]", "[emerg]", "Traceback"):
            assert fault not in log, _around(log, fault)
        leaked = [token for token in self.tokens if token in log]
        assert not leaked, _around(log, leaked[0])
        self.logged()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Start it, stop it, and check its logs, which are then complete."""
        try:
            self.start()
            yield self
        except BaseException:
            with suppress(Exception):  # the first fault is the one to report
                self.stop()
            raise
        try:
            self.end()
            self.assert_clean()
        finally:
            self.remove()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def end(self) -> None:
        """End it; its files and its logs stay."""

    def remove(self) -> None:
        """Delete its files and its logs."""
        # After a kill the folder in memory is still there.
        metrics = self.home / "data" / "run" / "metrics"
        shutil.rmtree(metrics.resolve(), ignore_errors=True)
        shutil.rmtree(self.home)

    def stop(self) -> None:
        """End it, and delete its files and its logs."""
        try:
            self.end()
        finally:
            self.remove()

    @abstractmethod
    def reload(self) -> None:
        """Send SIGHUP to the supervisor."""

    @abstractmethod
    def open_shell(self) -> Shell:
        """Start a Python process that runs commands where the gateway runs."""

    def close_shell(self) -> None:
        """End the shell; the next command opens a new one."""
        if self._shell:
            self._shell.close()
        self._shell = None

    @property
    def shell(self) -> Shell:
        if self._shell is None:
            self._shell = self.open_shell()
        return self._shell

    def gateway(self, *arguments: str) -> str:
        """Run a command of the gateway where it runs; return its output."""
        return self.shell.run("gateway", *arguments)

    @abstractmethod
    def store(self) -> list[str]:
        """Return the paths of all files below the store, sorted."""

    def stored(self) -> list[str]:
        """Return the files in the store, without those that are no upload's."""
        other = ("spool/", "ledger/", "store-id", "store-owner")
        return [path for path in self.store() if not path.startswith(other)]

    def spooled(self) -> list[str]:
        """Return the files in the spool; nginx deletes them after its answer."""
        return [path for path in self.store() if path.startswith("spool/")]

    def new_token(self, *scopes: str, user: str = "admin") -> str:
        """Return a new bearer token; it must never appear in a log."""
        options = itertools.chain.from_iterable(("--scope", s) for s in scopes)
        token = self.gateway("tokens", "new", user, *options).strip()
        self.tokens.add(token)
        return token

    @abstractmethod
    def processes(self, name: str) -> list[int]:
        """Return this machine's ids of the processes whose command contains *name*."""


def python_path(folder: Path) -> str:
    """Return a PYTHONPATH of *folder* and this checkout.

    Without the latter, a copy of the checkout would test the original's package.
    """
    return f"{folder}{os.pathsep}{ROOT}"


class NativeStack(Stack):
    """``gateway serve`` on this machine; ``starter`` is a command to run it with."""

    name = "native"
    starter: tuple[str, ...] = ()
    #: What the log has after the start.  The housekeeper is the last to read the
    #: settings, which a test may change.
    ready: tuple[str, ...] = ("Serving", "housekeeping: a round")

    def prepare(self) -> None:
        """Set the environment, so that commands can run before the start."""
        self.close_shell()
        python = self.home / "python"
        python.mkdir(exist_ok=True)
        (python / "sitecustomize.py").write_text(QUICKLY)
        self.environment = {
            **os.environ,
            "PYTHONPATH": python_path(python),
            "GATEWAY_FILES": str(self.files),
            "GATEWAY_DATA": str(self.home / "data"),
            "GATEWAY_VERDICT_CACHE": str(self.home / "verdicts"),
            **self.settings,
        }

    def start(self) -> None:
        self.prepare()
        path = self.home / "log"
        with path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    # Ends with the tests, even if they are killed.
                    *("setpriv", "--pdeathsig", "TERM"),
                    *(*self.starter, sys.executable, "-m", "gateway", "serve"),
                    *("--bind", f"127.0.0.1:{self.port}"),
                ],
                env=self.environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._log = Log(path)
        try:
            wait_until(
                lambda: (
                    all(map(self.log_has, self.ready))
                    or self.process.poll() is not None
                ),
                seconds=30,
                what="the gateway serves and does its housekeeping",
            )
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.process.kill()  # its children end with it
            self.process.wait()
            raise

    def end(self) -> None:
        self.close_shell()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
        assert status == 0, self.log()

    def kill(self) -> None:
        """Kill all processes at once, as in a crash."""
        children = list(_descendants(self.process.pid))
        self.process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        wait_until(lambda: not any(map(is_alive, children)), what="all are ended")

    def kill_processes(self, name: str) -> None:
        """Kill the master and workers of nginx or gunicorn."""
        for pid in self.processes(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def open_shell(self) -> Shell:
        return Shell(sys.executable, env=self.environment)

    def store(self) -> list[str]:
        root = self.home / "data" / "store"
        return sorted(
            str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
        )

    def processes(self, name: str) -> list[int]:
        return [pid for pid in _descendants(self.process.pid) if name in _command(pid)]

    def pool(self, pool: Pool) -> list[int]:
        """Return the ids of a pool's processes: gunicorn's master, then its workers."""
        named = f"\0GATEWAY_POOL={pool}\0"
        return [p for p in self.processes("gunicorn") if named in _environment(p)]

    def socket(self, pool: Pool) -> Path:
        """Return the path of a pool's socket."""
        return self.home / "data" / "run" / pool.socket


class BucketStack(NativeStack):
    """``gateway serve`` on this machine, with its files in a bucket of *server*."""

    name = "bucket"

    def __init__(self, server: SeaweedFS, **settings: str) -> None:
        self.server = server
        self.prefix = token_hex(4)
        super().__init__(**{**server.settings(self.prefix), **settings})
        keys = ("GATEWAY_BUCKET_KEY_ID", "GATEWAY_BUCKET_SECRET")
        self.tokens |= {self.settings[key] for key in keys}

    def put(self, path: str, content: bytes = b"content\n") -> Path:
        """Store an object; the returned path does not exist on this machine.

        (!) nginx knows an object's version for a second: if the object was requested
            before, the old one may be sent.
        """
        self.server.put(f"{self.prefix}/{path}", content)
        return self.files / path

    def assert_clean(self) -> None:
        """No log has a signature either."""
        super().assert_clean()
        signed = PRESIGNED.search(self.log())
        assert signed is None, _around(self.log(), signed[0])


#: compose's services; their images have the same names.
SERVICES: Final = ("gateway", "nginx")


class ContainerStack(Stack):
    """``docker compose up`` with its own project and folder.

    ``override`` is the text of a second compose file.
    """

    name = "containers"

    def __init__(self, **settings: str) -> None:
        super().__init__(**settings)
        self.override = "services: {}"
        self._followers: list[subprocess.Popen[bytes]] = []
        ids = build_images()
        # The images check their health every 5 s, and the start waits for it.
        services = {
            service: {"image": ids[service], "healthcheck": {"interval": "2s"}}
            for service in SERVICES
        }
        (self.home / "tests.yml").write_text(json.dumps({"services": services}))

    def start(self) -> None:
        self.project = f"gwtest{os.getpid()}x{self.port}"
        compose = {"FILES_DIR": self.files, "GATEWAY_BIND": f"127.0.0.1:{self.port}"}
        chosen = {**self.settings, **compose}
        (self.home / ".env").write_text(
            "".join(f"{name}='{text}'\n" for name, text in chosen.items())
        )
        (self.home / "override.yml").write_text(self.override)
        self._compose("up", "--no-build", "--wait", "--quiet-pull")
        self._follow_logs()

    def end(self) -> None:
        """Stop and remove the containers; each must exit with status 0."""
        self.close_shell()
        try:
            self._compose("stop")
            states = [self.inspect(name)["State"] for name in SERVICES]
        finally:
            self._compose("down", "--volumes", "--remove-orphans", "--timeout", "15")
            self._end_followers()
        assert [state["ExitCode"] for state in states] == [0] * len(SERVICES)

    def reload(self) -> None:
        self._compose("kill", "--signal", "HUP", "gateway")

    def processes(self, name: str) -> list[int]:
        # Without the processes of docker exec, such as health checks and the shell.
        service = "nginx" if "nginx" in name else "gateway"
        first = self.inspect(service)["State"]["Pid"]
        return [pid for pid in (first, *_descendants(first)) if name in _command(pid)]

    def open_shell(self) -> Shell:
        container = self.container("gateway")
        return Shell("docker", "exec", "--interactive", container, "python")

    def store(self) -> list[str]:
        root = "/var/lib/gateway-store"
        listing = ("-ignore_readdir_race", "-type", "f", "-printf", "%P\n")
        found = self.shell.run("find", root, *listing)
        return sorted(found.split())

    def recreate(self) -> None:
        self.close_shell()
        self._compose("up", "--no-build", "--wait", "--force-recreate")
        self._end_followers()
        self._follow_logs()

    def run_in(self, service: str, *command: str) -> str:
        return run(["docker", "exec", self.container(service), *command])

    def container(self, service: str) -> str:
        """Return the name of a service's only container."""
        return f"{self.project}-{service}-1"

    def inspect(self, service: str) -> dict[str, Any]:
        """Return the output of ``docker inspect`` for a service's container."""
        known = json.loads(run(["docker", "inspect", self.container(service)]))
        facts: dict[str, Any] = known[0]
        return facts

    def _log_of(self, service: str) -> Path:
        return self.home / f"{service}.log"

    def _follow_logs(self) -> None:
        """Write the whole log of each container to a file, in the background."""
        self._log = Log(*map(self._log_of, SERVICES))
        for service in SERVICES:
            with self._log_of(service).open("wb") as log:
                follower = subprocess.Popen(
                    ["docker", "logs", "--follow", self.container(service)],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            self._followers.append(follower)

    def _end_followers(self) -> None:
        """Wait for the log followers of containers that have exited."""
        for follower in self._followers:
            follower.wait(20)
        self._followers.clear()

    def _compose(self, *arguments: str) -> str:
        project = ("--project-name", self.project, "--project-directory", self.home)
        files = (
            ROOT / "docker-compose.yml",
            self.home / "override.yml",
            self.home / "tests.yml",
        )
        named = itertools.chain.from_iterable(("--file", file) for file in files)
        return run(["docker", "compose", *map(str, (*project, *named)), *arguments])


def _is_last(answer: bytes) -> bool:
    """Return whether *answer* is complete: nginx would wait 5 s before it closes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    size = re.search(rb"\r\nContent-Length: (\d+)", head)
    if b"\r\nConnection: close" not in head:
        return False
    return len(body) >= int(size[1]) if size else body.endswith(b"\r\n0\r\n\r\n")


def _descendants(pid: int) -> Iterator[int]:
    for child in _read(f"/proc/{pid}/task/{pid}/children").split():
        yield int(child)
        yield from _descendants(int(child))


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    # The third field is the state; a zombie has no open files.
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


def _command(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline")


def _environment(pid: int) -> str:
    return f"\0{_read(f'/proc/{pid}/environ')}"


def _read(path: str) -> str:
    """Return a file of proc(5); empty if the process has exited."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _around(log: str, text: str) -> str:
    place = log.index(text)
    return log[max(0, place - 600) : place + 600]
