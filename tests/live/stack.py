"""A running gateway, native or in two containers, as the live tests see it."""

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

ROOT: Final = Path(__file__).resolve().parents[2]
ORIGIN: Final = "https://www.example.com"
#: The stack believes the test's X-Forwarded-For, so that a test can be many clients.
TRUSTED: Final = "127.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
CONNECTIONS: Final = 20
#: Each Python of a native stack runs this first.  A password's real hash takes 0.2 s,
#: and so does looking for garbage among what is imported; the containers do both.
QUICKLY: Final = """
import functools
import gc
import argon2

gc.set_threshold(100_000)
argon2.PasswordHasher = functools.partial(
    argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1
)
"""
#: What nginx may hold back a line of its log for, and time to read it.
LOG_SECONDS: Final = 1.0
#: What an operator is to hear of: a test lays a file that nginx may not read.
EXPECTED: Final = re.compile(
    r'\[crit\] \S+ \S+ openat\(\) "\S+/r/private\.txt" failed \(13: '
)
#: What every answer to ORIGIN carries.
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
    """Return a client address that no test has used: a /64 of its own."""
    number = next(_clients)
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"


def wait_until(
    condition: Callable[[], object], *, seconds: float = 15, what: str
) -> None:
    """Poll until *condition* is true; fail in words when it stays false."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


#: Methods that a kept verdict answers.
SAFE: Final = frozenset({"GET", "HEAD"})
#: What differs from one answer to the next by itself; nginx closes the connections
#: of a worker that a reload ends.
OWN: Final = frozenset({"Date", "X-Request-ID", "Cache-Control", "Connection"})


def facts(answer: requests.Response) -> dict[str, str]:
    """Return what two answers to the same question have in common."""
    return {
        "status": str(answer.status_code),
        **{
            name: re.sub(r"boundary=\d+", "", text)
            for name, text in answer.headers.items()
            if name not in OWN
        },
    }


class Stack(ABC):
    """One running gateway; ``files`` is its tree, ``keys`` its ring."""

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
            # Told to those whose proxy says that they came by TLS.
            "GATEWAY_HSTS": "365d",
            "GATEWAY_INLINE_TYPES": "text/vtt",
            "GATEWAY_KEYS": str(self.keys),
            "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_TRUSTED_PROXIES": TRUSTED,
            "GATEWAY_WORKERS": "3",
            "GATEWAY_APP_WORKERS": "2",
            **settings,
        }

    def put(self, path: str, content: bytes = b"content\n") -> Path:
        """Put a file into the tree; in one step, as a deployment would.

        (!) nginx keeps what it has sent open until the clock's second turns: a file
            that was asked for before may be sent as it was.
        """
        target = self.files / path
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.home / "fresh"
        fresh.write_bytes(content)
        return fresh.rename(target)

    def sign(self, path: str, **claims: Any) -> str:
        """Return a signed URL; its token must never show up in a log."""
        url = self.signer.sign(path, **{"expires": timedelta(hours=1), **claims})
        self.tokens.add(url.removeprefix(self.url).split("/")[2])
        return url

    def ask(
        self, url: str, method: str = "GET", client: str | None = None, **options: Any
    ) -> requests.Response:
        """Ask for something as *client* would see it.

        Where verdicts are kept, a signed URL is asked for until its is a kept one:
        nothing that a client can see may have changed by that.
        """
        asked = client or fresh_client()
        if (
            self.keeps_verdicts
            and method in SAFE
            and {"/s/", "/l/"} & {url[len(self.url) :][:3]}
        ):
            fresh, again, kept = (
                self.send(url, method, asked, **options) for _ in range(3)
            )
            assert facts(fresh) == facts(again) == facts(kept)
            return kept
        return self.send(url, method, asked, **options)

    def send(
        self, url: str, method: str = "GET", client: str = "", **options: Any
    ) -> requests.Response:
        """Send just one request, on a connection of its own."""
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
        """Wait until nginx keeps no verdict that was given before."""
        end = int(time.time()) + self.keeps_verdicts
        wait_until(lambda: time.time() >= end, what="the second is over")

    def raw(self, data: bytes, *, seconds: float = 20) -> bytes:
        """Send bytes as they are and return all that comes back."""
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
        """Give a connection by which *data* was sent."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as peer:
            peer.sendall(data)
            yield peer

    def log(self) -> str:
        """Return everything that nginx and gunicorn have logged."""
        self._log.read()
        return self._log.text

    def logged(self) -> list[dict[str, Any]]:
        """Return the access log's rows; each must be JSON in UTF-8."""
        self._log.read()
        return list(self._log.rows)

    def whole_log(self) -> str:
        """Return the log when nginx holds back nothing of what came before."""
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
        """Return a Python that runs commands where the gateway's run."""

    def close_shell(self) -> None:
        """End it; the next command opens another one."""
        if self._shell:
            self._shell.close()
        self._shell = None

    @property
    def shell(self) -> Shell:
        if self._shell is None:
            self._shell = self.open_shell()
        return self._shell

    def gateway(self, *arguments: str) -> str:
        """Run a command of the gateway's, where it runs; return what it prints."""
        return self.shell.run("gateway", *arguments)

    @abstractmethod
    def store(self) -> list[str]:
        """Return the paths of all files below the store, sorted."""

    def stored(self) -> list[str]:
        """Return what is in the store, and neither in its spool nor in the ledger."""
        return [
            path for path in self.store() if not path.startswith(("spool/", "ledger/"))
        ]

    def spooled(self) -> list[str]:
        """Return what is in the spool; nginx empties it after its answer."""
        return [path for path in self.store() if path.startswith("spool/")]

    def new_token(self, *scopes: str, user: str = "admin") -> str:
        """Return a new bearer token; it must never show up in a log."""
        options = itertools.chain.from_iterable(("--scope", s) for s in scopes)
        token = self.gateway("tokens", "new", user, *options).strip()
        self.tokens.add(token)
        return token

    @abstractmethod
    def processes(self, name: str) -> list[int]:
        """Return the ids, on this machine, of the processes of that command."""


def python_path(folder: Path) -> str:
    """Return a PYTHONPATH of *folder* and the package beside these tests.

    Without the second, a copy of the checkout would test the package of the first.
    """
    return f"{folder}{os.pathsep}{ROOT}"


class NativeStack(Stack):
    """``gateway serve`` on this machine, by *starter* if it is set: what runs it."""

    name = "native"
    starter: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Fix the environment, so that commands run before the start."""
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
                    # It ends with the tests, also when these are killed.
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
                # The housekeeper reads the settings last, which a test may change.
                lambda: (
                    (self.log_has("Serving") and self.log_has("housekeeping: a round"))
                    or self.process.poll() is not None
                ),
                seconds=30,
                what="the gateway serves and keeps house",
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
        """End all of it at once, as a crash would."""
        children = list(_descendants(self.process.pid))
        self.process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        wait_until(lambda: not any(map(is_alive, children)), what="all are ended")

    def kill_processes(self, name: str) -> None:
        """Kill nginx or gunicorn, master and workers."""
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
        """Return where a pool listens."""
        return self.home / "data" / "run" / pool.socket


#: compose's services, which are named as their images.
SERVICES: Final = ("gateway", "nginx")


class ContainerStack(Stack):
    """``docker compose up`` with a project and a folder of its own.

    ``override`` is a second compose file.
    """

    name = "containers"

    def __init__(self, **settings: str) -> None:
        super().__init__(**settings)
        self.override = "services: {}"
        self._followers: list[subprocess.Popen[bytes]] = []
        ids = build_images()
        # The images look after their health every 5 s, and the start waits for it.
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
        """Stop and remove the containers; each must end by itself, with status 0."""
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
        # Not those that the engine runs beside, as checks of health and the shell.
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
        """Return the name that compose has given to a service's only container."""
        return f"{self.project}-{service}-1"

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        known = json.loads(run(["docker", "inspect", self.container(service)]))
        facts: dict[str, Any] = known[0]
        return facts

    def _log_of(self, service: str) -> Path:
        return self.home / f"{service}.log"

    def _follow_logs(self) -> None:
        """Have the engine write to a file what each container logs from its start."""
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
        """Wait for those that follow a container that has ended."""
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
    """Tell whether nothing more comes: nginx would wait 5 s for a request's rest."""
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
    """Tell whether a process runs; one that was not awaited does not."""
    # The status' third field is the state; a zombie holds no file any more.
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


def _command(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline")


def _environment(pid: int) -> str:
    return f"\0{_read(f'/proc/{pid}/environ')}"


def _read(path: str) -> str:
    """Read a file of proc(5); of a process that has ended it is empty."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _around(log: str, text: str) -> str:
    place = log.index(text)
    return log[max(0, place - 600) : place + 600]
