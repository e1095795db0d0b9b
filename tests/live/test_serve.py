"""``gateway serve`` as its user meets it: starting, stopping, failing."""

from __future__ import annotations

import os
import re
import shutil
import signal
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

from gateway.http.pools import Pool
from gateway.links import Key, KeyRing, LinkSigner
from gateway.links.server_secret import ServerSecret
from gateway.runtime.probe import probe
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

    def reload(self) -> None:
        before = self.log().count("gateway: reloaded")
        self.processes[-1].send_signal(signal.SIGHUP)
        wait_until(
            lambda: self.log().count("gateway: reloaded") > before, what="it reloads"
        )

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
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.home)


#: Of both pools of a stack.
WORKERS = 3 + 2
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


@pytest.fixture(scope="module")
def changed() -> Iterator[Served]:
    """Give one that serves already, by IPv6, for tests that change it."""
    with a_folder() as here:
        for name in ("empty", "origins", "replica"):
            (here.home / name).touch()
        here.environment["GATEWAY_KEYS_FILE"] = "empty"
        here.environment["GATEWAY_CORS_ORIGINS_FILE"] = "origins"
        here.environment["GATEWAY_REPLICA_FILE"] = "replica"
        here.start("--bind", f"[::]:{here.port}", "--guide")
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


def test_a_rotated_secret_counts_from_the_reload_on(changed: Served) -> None:
    """Sessions end, and a drop link goes on until the older secret is forgotten."""
    changed.run("users", "add", "ann", "--password", "a long password")
    drop = changed.run("drops", "new", "ann", "--no-expiry").stdout.strip()
    with requests.Session() as browser:
        url = f"http://[::1]:{changed.port}"
        page = browser.get(f"{url}/login", timeout=30).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        fields = {"csrf_token": token[1], "name": "ann", "password": "a long password"}
        browser.post(f"{url}/login", data=fields, timeout=30)

        def home() -> int:
            return browser.get(f"{url}/", timeout=30, allow_redirects=False).status_code

        assert home() == 200
        assert changed.run("secrets", "rotate").returncode == 0
        changed.reload()
        wait_until(lambda: home() == 303, what="the session is over")
    assert requests.get(drop, timeout=30).status_code == 200
    assert changed.run("secrets", "rotate", "--forget").returncode == 0
    changed.reload()
    wait_until(
        lambda: requests.get(drop, timeout=30).status_code == 404,
        what="the drop link has ended",
    )


def test_a_link_beyond_its_key_is_404_with_a_reason_of_its_own(
    changed: Served,
) -> None:
    """The host's own ring does not say the restriction: the gateway's does."""
    changed.run("keys", "new", "--add", "--prefix", "b/")
    changed.reload()
    ring = KeyRing.parse((changed.home / "var" / "keys").read_text())
    key = ring.keys[0]
    host = LinkSigner(f"{key.id}:{key.secret}", f"http://[::1]:{changed.port}")
    link = host.sign("a/b.txt", expires=timedelta(hours=1))
    # A worker from before the reload may answer once more.
    wait_until(
        lambda: '"reason":"beyond-key"' in (ask(link), changed.log())[1],
        what="it is refused for its key",
    )
    assert ask(link) == 404
    own = changed.run("sign", "a/b.txt", "--expires", "1h").stdout.strip()
    inspected = changed.run("inspect", link)
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


def test_a_reload_by_command_says_what_came_of_it(changed: Served) -> None:
    before = changed.log().count("gateway: reloaded")
    done = changed.run("reload")
    (changed.home / "origins").write_text("nowhere")
    refused = changed.run("reload")
    (changed.home / "origins").write_text("")
    assert (done.returncode, done.stderr) == (0, "")
    assert refused.returncode == 1
    assert refused.stderr.startswith("gateway: not reloaded: GATEWAY_CORS_ORIGINS")
    assert changed.log().count("gateway: reloaded") == before + 1


def test_a_reload_gives_a_gateway_no_other_name(changed: Served) -> None:
    """Its spool and its ledger have the name."""
    (changed.home / "replica").write_text("r2")
    refused = changed.run("reload")
    (changed.home / "replica").write_text("")
    assert refused.stderr == (
        "gateway: not reloaded: GATEWAY_REPLICA: a change needs a restart\n"
    )


def test_a_link_is_printed_when_asked_for(started: Served) -> None:
    assert requests.get(tried(started), timeout=10).text == "hello\n"


_TRIED = re.compile(r"^  Try +curl (\S+)\n", re.MULTILINE)


def tried(served: Served) -> str:
    """Return the link that was printed to be tried."""
    wait_until(lambda: _TRIED.search(served.log()), what="the link is printed")
    [url] = _TRIED.findall(served.log())
    return str(url)


def test_the_link_of_every_ipv6_address_leads_to_it(changed: Served) -> None:
    """The host [::] is none that is answered, and none that all clients take."""
    assert tried(changed).startswith(f"http://[::1]:{changed.port}/s/")
    assert requests.get(tried(changed), timeout=10).text == "hello\n"


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


def test_an_empty_key_file_is_none_to_gunicorn_too(changed: Served) -> None:
    """What ``serve`` takes for unset, and makes a key for, its child does as well."""
    assert (changed.home / changed.environment["GATEWAY_KEYS_FILE"]).stat().st_size == 0
    assert "Made a signing key" in changed.log()
    assert requests.get(tried(changed), timeout=10).text == "hello\n"


@pytest.fixture(scope="module")
def own() -> Iterator[NativeStack]:
    """Give a stack that no other module reloads or stops."""
    with by_file().running() as stack:
        wait_until(lambda: boots(stack) == WORKERS, what="every worker has booted")
        yield stack


def by_file() -> NativeStack:
    """Return a stack whose keys lie in the file ``keys`` of its home."""
    stack = NativeStack()
    (stack.home / "keys").write_text(str(stack.keys))
    del stack.settings["GATEWAY_KEYS"]
    stack.settings["GATEWAY_KEYS_FILE"] = str(stack.home / "keys")
    return stack


def test_workers_start_although_the_files_are_away(own: NativeStack) -> None:
    """A volume that is gone for a moment shows in /readyz, and in no storm of forks."""
    booted, old = boots(own), workers(own)
    own.files.rename(own.home / "away")
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    app = own.socket(Pool.APP)
    wait_until(
        lambda: boots(own) == booted + WORKERS and " 503 " in str(probe(app)),
        what="new workers say that they are not ready",
    )
    (own.home / "away").rename(own.files)
    wait_until(lambda: probe(app) is None, what="they are ready again")
    assert boots(own) == booted + WORKERS


def boots(stack: NativeStack) -> int:
    """Count the workers that have come up so far."""
    return stack.log().count("Booting worker")


def workers(stack: NativeStack) -> set[int]:
    """Return the ids of both pools' workers."""
    return {pid for pool in Pool for pid in stack.pool(pool)[1:]}


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
    stack.remove()
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
    stack.remove()


def reload(stack: NativeStack) -> None:
    """Reload it, until every new worker has booted."""
    booted = boots(stack)
    stack.reload()
    wait_until(lambda: boots(stack) == booted + WORKERS, what="new workers have booted")


def test_a_reload_reaches_both_pools(own: NativeStack) -> None:
    wait_until(lambda: len(workers(own)) == WORKERS, what="no earlier worker is left")
    before = workers(own)
    reload(own)
    wait_until(
        lambda: workers(own).isdisjoint(before), what="its old workers have ended"
    )


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
            served.reload()
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
def stalled(own: NativeStack) -> Iterator[NativeStack]:
    """Return a stack whose app pool answers nobody, as on a disk that hangs."""
    own.put("a.txt", b"delivered\n")
    app = own.pool(Pool.APP)
    for pid in app:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield own
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
        chunks = download.iter_content(1000)
        begun = next(chunks)
        rest = pool.submit(lambda: sum(map(len, chunks)))
        stack.stop()
        assert len(begun) + rest.result(10) == 300_000


def test_a_faulty_setting_at_a_reload_is_said_once_and_changes_nothing() -> None:
    """Started as nohup and a shell's ``&`` start it, with these signals ignored."""
    stack = by_file()
    stack.starter = ("sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh")
    with stack.running():
        stack.put("a.txt")
        url = stack.sign("a.txt")
        (stack.home / "keys").write_text("a:short")
        stack.reload()
        wait_until(lambda: stack.log_has("not reloaded"), what="it says so")
        assert stack.ask(url).status_code == 200
        old = set(stack.processes("nginx"))
        (stack.home / "keys").write_text(str(KeyRing((Key.generate(),))))
        stack.reload()
        wait_until(
            lambda: stack.send(url).status_code == 404, what="the old key is retired"
        )
        wait_until(
            lambda: set(stack.processes("nginx")) - old, what="nginx has new workers"
        )
        assert stack.log().count("GATEWAY_KEYS") == 1
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(20) == 0


def test_children_read_no_file_anew_before_the_next_reload(own: NativeStack) -> None:
    """A key file that was replaced counts for all of them at once, or for none."""
    own.put("a.txt")
    url = own.sign("a.txt")
    (own.home / "keys").write_text(str(KeyRing((Key.generate(),))))
    booted = boots(own)
    for find in (VICTIMS[name] for name in VICTIMS if name != "nginx"):
        os.kill(find(own)[0], signal.SIGHUP)
    wait_until(lambda: boots(own) == booted + WORKERS, what="new workers have booted")
    own.let_verdicts_end()
    kept = own.ask(url).status_code
    reload(own)
    wait_until(lambda: own.send(url).status_code == 404, what="the old key is retired")
    (own.home / "keys").write_text(str(own.keys))
    reload(own)
    wait_until(lambda: own.send(url).status_code == 200, what="it is back")
    assert kept == 200
