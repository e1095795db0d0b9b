"""``gateway serve`` as its user meets it: starting, stopping, failing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from gateway.links import Key, KeyRing, LinkSigner
from gateway.links.server_secret import ServerSecret
from gateway.ops.probe import probe
from gateway.pools import Pool
from tests.live.ports import free_port
from tests.live.stack import ROOT, NativeStack, is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Served:
    """A folder of its own, in which commands run with only GATEWAY_FILES set."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gw-"))
        (self.home / "files" / "a").mkdir(parents=True)
        (self.home / "files" / "a" / "b.txt").write_text("hello\n")
        self.port = free_port()
        self.processes: list[subprocess.Popen[str]] = []
        self.held: list[socket.socket] = []
        self.options: list[str] = []
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GATEWAY_")
        } | {"GATEWAY_FILES": "files"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with (self.home / "log").open("a") as log:
            process = subprocess.Popen(
                [*_GATEWAY, "serve", "--bind", f"127.0.0.1:{self.port}", *arguments],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        self.processes.append(process)
        wait_until(
            lambda: "Serving" in self.log() or process.poll() is not None,
            seconds=30,
            what="it serves or ends",
        )
        return process

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_GATEWAY, *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def log(self) -> str:
        return (self.home / "log").read_text()

    def close(self) -> None:
        for taken in self.held:
            taken.close()
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.home)


_GATEWAY = (sys.executable, "-m", "gateway")


@contextmanager
def a_folder() -> Iterator[Served]:
    here = Served()
    yield here
    for process in here.processes:
        process.terminate()
        process.wait(20)
    here.close()


@pytest.fixture
def served() -> Iterator[Served]:
    with a_folder() as here:
        yield here


@pytest.fixture(scope="module")
def started() -> Iterator[Served]:
    """Give one that serves already, for tests that change nothing."""
    with a_folder() as here:
        here.start("--guide")
        yield here


def test_one_setting_and_one_command_serve_a_signed_link(started: Served) -> None:
    signed = started.run("sign", "a/b.txt", "--expires", "1h")
    assert (signed.returncode, signed.stderr) == (0, "")
    assert signed.stdout.count("\n") == 1
    answer = requests.get(signed.stdout.strip(), timeout=10)
    assert (answer.status_code, answer.text) == (200, "hello\n")
    assert answer.headers["Server"] == "nginx"


def test_the_first_start_makes_a_key_for_its_owner_alone(started: Served) -> None:
    key_file = started.home / "var" / "keys"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(KeyRing.parse(key_file.read_text()).keys) == 1
    assert key_file.read_text().split(":")[1].strip() not in started.log()


def test_the_first_start_makes_a_secret_for_its_owner_alone(started: Served) -> None:
    path = started.home / "var" / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    (secret,) = ServerSecret.parse(path.read_text()).secrets
    assert secret not in started.log()
    assert secret not in (started.home / "var" / "keys").read_text()


def test_the_first_password_is_in_a_file_and_in_no_log(started: Served) -> None:
    path = started.home / "var" / "first-password"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"the first password is in {path}" in started.log()
    assert path.read_text().strip() not in started.log()


def closed_port(served: Served) -> str:
    taken = socket.socket()
    taken.bind(("127.0.0.1", served.port))
    taken.listen()
    served.held.append(taken)
    return "can't listen on"


def closed_folder(served: Served) -> str:
    (served.home / "file").touch()
    served.environment["GATEWAY_DATA"] = "file/var"
    return f"GATEWAY_DATA: {served.home}/file/var can't be written"


def closed_store(served: Served) -> str:
    (served.home / "file").touch()
    served.environment["GATEWAY_STORE"] = "file/store"
    return "can't be written"


def closed_catalog(served: Served) -> str:
    (served.home / "file").touch()
    served.environment["GATEWAY_DATABASE"] = "sqlite:///file/catalog.sqlite3"
    return "GATEWAY_DATABASE: file can't be written"


def another_database(served: Served) -> str:
    served.environment["GATEWAY_DATABASE"] = "postgres://gateway@db/gateway"
    return "GATEWAY_DATABASE: must be like postgresql+psycopg://"


def closed_nginx_folder(served: Served) -> str:
    (served.home / "file").touch()
    served.options = ["--nginx-run", "file/nginx"]
    return f"--nginx-run: {served.home}/file/nginx can't be written"


def open_run_folder(served: Served) -> str:
    (served.home / "run").mkdir()
    (served.home / "run").chmod(0o777)
    served.environment["GATEWAY_RUN"] = "run"
    return "is not this user's alone"


def no_files(served: Served) -> str:
    del served.environment["GATEWAY_FILES"]
    return "GATEWAY_FILES: is not set"


@pytest.mark.parametrize(
    "close",
    [
        pytest.param(closed_port, id="a port that is taken"),
        pytest.param(closed_folder, id="a data folder that can't be made"),
        pytest.param(closed_store, id="a store that can't be made"),
        pytest.param(closed_catalog, id="a catalog that can't be made"),
        pytest.param(another_database, id="a database of another kind"),
        pytest.param(closed_nginx_folder, id="an nginx folder that can't be made"),
        pytest.param(open_run_folder, id="a run folder that others may write to"),
        pytest.param(no_files, id="no files"),
    ],
)
def test_nothing_is_made_or_printed_by_a_start_that_can_not_succeed(
    served: Served, close: Callable[[Served], str]
) -> None:
    fault = close(served)
    bind = f"127.0.0.1:{served.port}"
    failed = served.run("serve", "--bind", bind, *served.options)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert fault in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (served.home / "var").exists()


def test_a_rotated_secret_counts_from_the_reload_on(served: Served) -> None:
    """Sessions end, and a drop link goes on until the older secret is forgotten."""
    process = served.start()
    served.run("users", "add", "ann", "--password", "a long password")
    drop = served.run("drops", "new", "ann", "--no-expiry").stdout.strip()
    with requests.Session() as browser:
        page = browser.get(f"http://127.0.0.1:{served.port}/login", timeout=30).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        fields = {"csrf_token": token[1], "name": "ann", "password": "a long password"}
        url = f"http://127.0.0.1:{served.port}"
        browser.post(f"{url}/login", data=fields, timeout=30)

        def home() -> int:
            return browser.get(f"{url}/", timeout=30, allow_redirects=False).status_code

        assert home() == 200
        assert served.run("secrets", "rotate").returncode == 0
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: home() == 303, what="the session is over")
    assert requests.get(drop, timeout=30).status_code == 200
    assert served.run("secrets", "rotate", "--forget").returncode == 0
    process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: requests.get(drop, timeout=30).status_code == 404,
        what="the drop link has ended",
    )


def test_a_link_beyond_its_key_is_404_with_a_reason_of_its_own(
    served: Served,
) -> None:
    """The host's own ring does not say the restriction: the gateway's does."""
    process = served.start()
    served.run("keys", "new", "--add", "--prefix", "b/")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "gateway: reloaded" in served.log(), what="the key is known")
    ring = KeyRing.parse((served.home / "var" / "keys").read_text())
    key = ring.keys[0]
    host = LinkSigner(f"{key.id}:{key.secret}", f"http://127.0.0.1:{served.port}")
    link = host.sign("a/b.txt", expires=timedelta(hours=1))
    # A worker from before the reload may answer once more.
    wait_until(
        lambda: '"reason":"beyond-key"' in (ask(link), served.log())[1],
        what="it is refused for its key",
    )
    assert ask(link) == 404
    own = served.run("sign", "a/b.txt", "--expires", "1h").stdout.strip()
    inspected = served.run("inspect", link)
    assert requests.get(own, timeout=10).status_code == 200
    assert (inspected.returncode, f"its key {key.id} may not" in inspected.stdout) == (
        1,
        True,
    )


def ask(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_what_every_process_makes_is_its_user_s_alone(
    native_stack: NativeStack,
) -> None:
    """The umask of whoever started it does not count."""
    status = [
        Path(f"/proc/{pid}/status").read_text()
        for name in ("nginx", "gunicorn", "housekeep")
        for pid in native_stack.processes(name)
    ]
    masks = {re.search(r"^Umask:\s+(\d+)$", text, re.MULTILINE) for text in status}
    assert {mask and mask[1] for mask in masks} == {"0077"}


def test_another_user_can_not_know_where_verdicts_are_kept(started: Served) -> None:
    """A name that could be known could be taken by another user first."""
    place = (started.home / "var" / "run" / "verdicts").readlink()
    assert (place.parent, place.stat().st_mode & 0o777) == (Path("/dev/shm"), 0o700)  # noqa: S108
    assert requests.get(tried(started), timeout=10).status_code == 200
    assert requests.get(tried(started), timeout=10).status_code == 200
    wait_until(lambda: any(place.rglob("*/*")), what="a verdict is kept there")


def test_a_reload_by_command_says_what_came_of_it(served: Served) -> None:
    served.environment["GATEWAY_CORS_ORIGINS_FILE"] = "origins"
    (served.home / "origins").touch()
    served.start()
    done = served.run("reload")
    (served.home / "origins").write_text("nowhere")
    refused = served.run("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert refused.returncode == 1
    assert refused.stderr.startswith("gateway: not reloaded: GATEWAY_CORS_ORIGINS")
    assert served.log().count("gateway: reloaded") == 1


def test_a_second_start_keeps_the_key(served: Served) -> None:
    first = served.start()
    link = served.run("sign", "a/b.txt", "--expires", "1h").stdout.strip()
    first.terminate()
    assert first.wait(20) == 0
    (served.home / "log").unlink()
    served.start()
    assert requests.get(link, timeout=10).status_code == 200


def test_a_link_is_printed_when_asked_for(started: Served) -> None:
    assert requests.get(tried(started), timeout=10).text == "hello\n"


_TRIED = re.compile(r"^  Try +curl (\S+)\n", re.MULTILINE)


def tried(served: Served) -> str:
    """Return the link that was printed to be tried."""
    wait_until(lambda: _TRIED.search(served.log()), what="the link is printed")
    [url] = _TRIED.findall(served.log())
    return str(url)


def test_the_link_of_every_ipv6_address_leads_to_it(served: Served) -> None:
    """The host [::] is none that is answered, and none that all clients take."""
    served.start("--bind", f"[::]:{served.port}", "--guide")
    assert tried(served).startswith(f"http://[::1]:{served.port}/s/")
    assert requests.get(tried(served), timeout=10).text == "hello\n"


def test_a_taken_port_is_named_in_one_line(served: Served) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", served.port))
        taken.listen()
        failed = served.run("serve", "--bind", f"127.0.0.1:{served.port}")
    assert failed.returncode == 1
    assert (
        f"can't listen on 127.0.0.1:{served.port}: Address already in use"
        in failed.stderr
    )
    assert "Traceback" not in failed.stderr


def test_the_stack_runs_the_checkout_of_its_tests(native_stack: NativeStack) -> None:
    """Else a mutant, which is a copy of the checkout, would seem to survive."""
    found = subprocess.run(
        [sys.executable, "-c", "import gateway; print(gateway.__file__)"],
        env=native_stack.environment,
        cwd=native_stack.home,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout).is_relative_to(ROOT)


def test_a_second_gateway_from_the_same_data_is_refused(started: Served) -> None:
    failed = started.run("serve", "--bind", f"127.0.0.1:{free_port()}")
    assert failed.returncode == 1
    assert "another gateway is already serving from" in failed.stderr


def test_the_served_folder_holds_no_keys(served: Served) -> None:
    """``GATEWAY_FILES=.`` beside the default data folder would deliver them."""
    served.environment["GATEWAY_FILES"] = "."
    failed = served.run("serve", "--bind", f"127.0.0.1:{served.port}")
    assert failed.returncode == 1
    assert failed.stderr.startswith("gateway: GATEWAY_DATA: ")
    assert "lies in the folder that is served" in failed.stderr
    assert not (served.home / "var").exists()


def test_an_empty_key_file_is_none_to_gunicorn_too(served: Served) -> None:
    """What ``serve`` takes for unset, and makes a key for, its child does as well."""
    (served.home / "empty").touch()
    served.environment["GATEWAY_KEYS_FILE"] = "empty"
    served.start("--guide")
    assert "Made a signing key" in served.log()
    assert requests.get(tried(served), timeout=10).text == "hello\n"


def test_workers_start_although_the_files_are_away() -> None:
    """A volume that is gone for a moment shows in /readyz, and in no storm of forks."""
    stack = NativeStack()
    stack.start()
    try:
        wait_until(lambda: boots(stack) == 3 + 2, what="every worker has booted")
        old = workers(stack)
        stack.files.rename(stack.home / "away")
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        app = stack.socket(Pool.APP)
        wait_until(
            lambda: boots(stack) == 2 * len(old) and " 503 " in str(probe(app)),
            what="new workers say that they are not ready",
        )
        (stack.home / "away").rename(stack.files)
        wait_until(lambda: probe(app) is None, what="they are ready again")
        assert boots(stack) == 2 * len(old)
    finally:
        stack.stop()


def boots(stack: NativeStack) -> int:
    """Count the workers that have come up so far."""
    return stack.log().count("Booting worker")


def workers(stack: NativeStack) -> set[int]:
    """Return the ids of both pools' workers."""
    return {pid for pool in Pool for pid in stack.pool(pool)[1:]}


def test_every_faulty_setting_is_named_at_once(served: Served) -> None:
    served.environment |= {
        "GATEWAY_FILES": "nowhere",
        "GATEWAY_KEYS": "a:short",
        "GATEWAY_PUBLIC_URL": "files.example.com",
        "GATEWAY_GRACE": "soon",
    }
    failed = served.run("serve")
    named = {line.split(":")[1].strip() for line in failed.stderr.splitlines()}
    assert failed.returncode == 1
    assert named == {
        "GATEWAY_FILES",
        "GATEWAY_KEYS",
        "GATEWAY_PUBLIC_URL",
        "GATEWAY_GRACE",
    }


def test_gunicorn_does_not_start_on_a_bad_key(served: Served) -> None:
    served.environment |= {
        "GATEWAY_KEYS": "a:" + "x1" * 15,
        "GATEWAY_DATA": str(served.home / "data"),
    }
    failed = subprocess.run(
        [sys.executable, "-c", "import gateway.wsgi"],
        cwd=served.home,
        env=served.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert failed.returncode != 0
    assert "GATEWAY_KEYS" in failed.stderr
    assert "30 bytes" in failed.stderr
    assert "Traceback" not in failed.stderr


VICTIMS: dict[str, Callable[[NativeStack], list[int]]] = {
    "nginx": lambda stack: stack.processes("nginx"),
    "gunicorn-verdicts": lambda stack: stack.pool(Pool.VERDICTS),
    "gunicorn-app": lambda stack: stack.pool(Pool.APP),
    "housekeeper": lambda stack: stack.processes("housekeep"),
}


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(name, marks=() if name == "nginx" else pytest.mark.extra)
        for name in VICTIMS
    ],
)
def test_when_one_dies_the_others_are_stopped_and_the_status_says_so(
    victim: str,
) -> None:
    stack = NativeStack()
    stack.start()
    everyone = {name: find(stack) for name, find in VICTIMS.items()}
    os.kill(everyone[victim][0], signal.SIGKILL)
    status = stack.process.wait(20)
    log = stack.log()
    left = [pid for pids in everyone.values() for pid in pids if is_alive(pid)]
    shutil.rmtree(stack.home)
    assert min(map(len, everyone.values())) >= 1
    assert status == 1
    assert f"{victim} ended" in log
    assert left == []


def test_when_the_supervisor_is_killed_nothing_is_left_behind() -> None:
    stack = NativeStack()
    stack.start()
    names = ("nginx", "gunicorn", "housekeep")
    everyone = [pid for name in names for pid in stack.processes(name)]
    stack.process.kill()
    stack.process.wait()
    wait_until(lambda: not any(map(is_alive, everyone)), seconds=30, what="all end")
    shutil.rmtree(stack.home)


def test_a_reload_reaches_both_pools() -> None:
    with NativeStack().running() as stack:
        before = {pool: set(stack.pool(pool)[1:]) for pool in Pool}
        stack.reload()
        for pool in Pool:
            wait_until(
                lambda pool=pool: (  # type: ignore[misc]
                    set(stack.pool(pool)[1:]).isdisjoint(before[pool])
                ),
                what="its old workers have ended",
            )
        assert all(map(len, before.values()))


def test_no_request_is_answered_503_at_a_start_a_reload_or_a_restart(
    served: Served,
) -> None:
    """It listens only while both pools answer: before, a client may try again."""
    ring = KeyRing((Key.generate(),))
    served.environment |= {
        "GATEWAY_KEYS": str(ring),
        "GATEWAY_CLIENT_REQUESTS": "100000",
        "GATEWAY_VERDICT_TTL": "0",
    }
    site = f"http://127.0.0.1:{served.port}"
    link = LinkSigner(ring, site).sign("a/b.txt", expires=timedelta(hours=1))
    stop = threading.Event()

    def ask_on(url: str) -> set[int]:
        statuses = set()
        while not stop.is_set():
            with suppress(requests.ConnectionError):
                statuses.add(requests.get(url, timeout=10).status_code)
        return statuses

    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(ask_on, url) for url in (link, f"{site}/login")]
        try:
            first = served.start()
            first.send_signal(signal.SIGHUP)
            wait_until(lambda: "gateway: reloaded" in served.log(), what="it reloads")
            first.terminate()
            assert first.wait(20) == 0
            (served.home / "log").rename(served.home / "first")
            served.start()
        finally:
            stop.set()
        statuses = [asker.result() for asker in askers]
    assert statuses == [{200}, {200}]
    log = served.log() + (served.home / "first").read_text()
    assert [word for word in ("[crit]", "[error]", '"status":503') if word in log] == []


@pytest.fixture
def stalled() -> Iterator[NativeStack]:
    """Return a stack whose app pool answers nobody, as on a disk that hangs."""
    with NativeStack().running() as stack:
        stack.put("a.txt", b"delivered\n")
        app = stack.pool(Pool.APP)
        for pid in app:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield stack
        finally:
            for pid in app:
                os.kill(pid, signal.SIGCONT)


def test_deliveries_do_not_wait_for_the_app_pool(stalled: NativeStack) -> None:
    """Neither new links nor refusals, nor owners' files; whether they live is told."""
    answers = [
        stalled.send(stalled.sign("a.txt")),
        stalled.send(stalled.sign("a.txt", networks=["192.0.2.0/24"])),
        stalled.send(stalled.sign("missing.txt")),
        stalled.send(f"{stalled.url}/files/{'a' * 26}/a.txt"),
        stalled.send(f"{stalled.url}/healthz"),
    ]
    assert [a.status_code for a in answers] == [200, 403, 404, 401, 200]
    assert max(a.elapsed for a in answers) < timedelta(seconds=5)


def test_sigterm_lets_a_download_finish() -> None:
    stack = NativeStack()
    stack.start()
    stack.put("long.bin", bytes(300_000))
    url = stack.sign("long.bin", rate=100_000)
    with ThreadPoolExecutor(1) as pool, stack.send(url, stream=True) as download:
        pieces = download.iter_content(1000)
        begun = next(pieces)
        rest = pool.submit(lambda: sum(map(len, pieces)))
        stack.stop()
        assert len(begun) + rest.result(10) == 300_000


@pytest.fixture
def starter() -> tuple[str, ...]:
    """Return the command that starts ``gateway serve``: none."""
    return ()


@pytest.fixture
def by_file(starter: tuple[str, ...]) -> Iterator[NativeStack]:
    """Return a running stack whose keys lie in the file ``keys`` of its home."""
    stack = NativeStack()
    stack.starter = starter
    (stack.home / "keys").write_text(str(stack.keys))
    del stack.settings["GATEWAY_KEYS"]
    stack.settings["GATEWAY_KEYS_FILE"] = str(stack.home / "keys")
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


@pytest.mark.parametrize(
    "starter",
    [
        pytest.param((), id="from a terminal"),
        # As nohup, and a shell that starts it in the background, do.
        pytest.param(
            ("sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh"),
            id="where signals are ignored",
        ),
    ],
)
def test_a_faulty_setting_at_a_reload_is_said_once_and_changes_nothing(
    by_file: NativeStack,
) -> None:
    by_file.put("a.txt")
    url = by_file.sign("a.txt")
    (by_file.home / "keys").write_text("a:short")
    by_file.reload()
    wait_until(lambda: by_file.log_has("not reloaded"), what="it says so")
    assert by_file.ask(url).status_code == 200
    old = set(by_file.processes("nginx"))
    (by_file.home / "keys").write_text(str(KeyRing((Key.generate(),))))
    by_file.reload()
    wait_until(
        lambda: by_file.send(url).status_code == 404, what="the old key is retired"
    )
    wait_until(
        lambda: set(by_file.processes("nginx")) - old, what="nginx has new workers"
    )
    assert by_file.log().count("GATEWAY_KEYS") == 1
    by_file.process.send_signal(signal.SIGINT)
    assert by_file.process.wait(20) == 0


def test_children_read_no_file_anew_before_the_next_reload(
    by_file: NativeStack,
) -> None:
    """A key file that was replaced counts for all of them at once, or for none."""
    by_file.put("a.txt")
    url = by_file.sign("a.txt")
    (by_file.home / "keys").write_text(str(KeyRing((Key.generate(),))))
    booted = boots(by_file)
    for find in (VICTIMS[name] for name in VICTIMS if name != "nginx"):
        os.kill(find(by_file)[0], signal.SIGHUP)
    wait_until(lambda: boots(by_file) >= booted + 5, what="new workers have booted")
    by_file.let_verdicts_end()
    assert by_file.ask(url).status_code == 200
    by_file.reload()
    wait_until(
        lambda: by_file.send(url).status_code == 404, what="the old key is retired"
    )
