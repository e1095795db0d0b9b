"""The children of one service: how they start, are watched, and are stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.ports import free_port
from tests.live.stack import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_child.py")
POOLS = ("gunicorn-verdicts", "gunicorn-app")
ALL = ("nginx", *POOLS, "housekeeper")

#: Seconds that stopping may last beyond its grace: two for each child that has to
#: be killed, and some for a slow machine.
SLACK = 10

OBEDIENT = {
    "answer": "HTTP/1.0 200 OK\r\n\r\n",
    "ends_on": ["SIGTERM", "SIGQUIT"],
    "after": 0,
    "out": "",
    "err": "",
    "last": "",
    "fault": "",
    "forks": False,
    "exits": None,
}


class Supervised:
    """A supervisor in a process of its own, and what its fake children noted."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ALL
        # Short: a unix socket's path has at most 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="gw-"))
        text = FAKE.read_text()
        (self.home / "bin").mkdir()
        (self.home / "bin" / "gunicorn.py").write_text(text)
        (self.home / "bin" / "gateway.py").write_text(text)
        note = f"echo ledger $1 $$ >> {self.home}/events\n"
        (self.home / "ledger.sh").write_text(note)
        nginx = self.home / "bin" / "nginx"
        nginx.write_text(f"#!{sys.executable}\n{text}")
        nginx.chmod(0o755)
        self.orders: dict[str, Any] = {
            "port": free_port(),
            "grace": 10,
            "start_seconds": 20,
            "end_seconds": 2,
            **{name: dict(OBEDIENT) for name in ALL},
        }

    def launch(self) -> None:
        """Start the supervisor and don't wait for anything."""
        (self.home / "orders").write_text(json.dumps(self.orders))
        (self.home / "events").touch()
        with (
            (self.home / "out").open("wb") as out,
            (self.home / "err").open("wb") as err,
        ):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.supervised", str(self.home)],
                cwd=self.home,
                env={
                    **os.environ,
                    "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
                    "PYTHONPATH": str(ROOT),
                    "ORDERS": str(self.home / "orders"),
                    "EVENTS": str(self.home / "events"),
                },
                stdout=out,
                stderr=err,
            )

    def start(self) -> None:
        """Start the supervisor and wait until it and its children are ready."""
        self.launch()
        wait_until(
            lambda: (
                ("ready" in self.out() and all(map(self.pids, self.names)))
                or self.process.poll() is not None
            ),
            what="it is ready or has ended",
        )
        assert self.process.poll() is None, self.err()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the status, which must come in time."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(self.orders["grace"] + SLACK)

    def out(self) -> str:
        return (self.home / "out").read_text()

    def err(self) -> str:
        return (self.home / "err").read_text()

    def events(self) -> list[str]:
        """Return what happened, in order, as ``name event``."""
        rows = (self.home / "events").read_text().splitlines()
        return [row.rpartition(" ")[0] for row in rows]

    def live(self) -> str:
        """Return the name of the generation that nginx reads."""
        return (self.home / "conf" / "live").readlink().name

    def pids(self, name: str) -> list[int]:
        """Return the ids of a child and its workers, running or not."""
        rows = (self.home / "events").read_text().splitlines()
        return [int(r.split()[2]) for r in rows if r.startswith(f"{name} started")]

    def left(self) -> list[int]:
        """Return the ids of those that still run."""
        return [pid for name in ALL for pid in self.pids(name) if is_alive(pid)]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home)


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    """Make a supervisor that is not started yet, and end whatever it leaves."""
    here = Supervised()
    yield here
    here.close()


# watching


def test_when_one_dies_the_others_are_drained(supervised: Supervised) -> None:
    """Part of a service is none: the status is 1, and the log names who died."""
    supervised.start()
    os.kill(supervised.pids("gunicorn-app")[0], signal.SIGKILL)
    assert supervised.wait() == 1
    assert "gateway: gunicorn-app ended with status -9; stopping" in supervised.err()
    assert {"nginx ended", "housekeeper ended"} <= set(supervised.events())
    assert supervised.left() == []


def test_an_end_with_status_0_is_an_end_too(supervised: Supervised) -> None:
    """A child that leaves in good order was still not asked to."""
    supervised.start()
    os.kill(supervised.pids("housekeeper")[0], signal.SIGTERM)
    assert supervised.wait() == 1
    assert "gateway: housekeeper ended with status 0; stopping" in supervised.err()
    assert supervised.left() == []


# stopping


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name
)
def test_a_signal_drains_all_and_is_status_0(
    supervised: Supervised, number: signal.Signals
) -> None:
    """Each gets the signal that means a gentle end to it, and none is left."""
    supervised.start()
    assert supervised.stop(number) == 0
    told = {"nginx SIGQUIT", "housekeeper SIGTERM"}
    assert told | {f"{pool} SIGTERM" for pool in POOLS} <= set(supervised.events())
    assert supervised.left() == []
    assert supervised.err() == ""


def test_they_end_one_after_the_other(supervised: Supervised) -> None:
    """Requests that nginx still has are still answered by gunicorn."""
    supervised.orders["housekeeper"]["after"] = 0.5
    supervised.orders["nginx"]["after"] = 0.5
    supervised.start()
    assert supervised.stop() == 0
    events = supervised.events()
    assert events.index("housekeeper ended") < events.index("nginx SIGQUIT")
    asked = [events.index(f"{pool} SIGTERM") for pool in POOLS]
    assert events.index("nginx ended") < min(asked)


@pytest.mark.parametrize("slow", ["nginx", *POOLS], ids=str)
def test_a_child_gets_its_grace(supervised: Supervised, slow: str) -> None:
    """Whoever finishes within the bound finishes, and is not killed."""
    supervised.orders[slow]["after"] = 1.5
    supervised.start()
    assert supervised.stop() == 0
    assert f"{slow} ended" in supervised.events()
    assert "still busy" not in supervised.err()


def test_a_second_signal_changes_nothing(supervised: Supervised) -> None:
    """An impatient init system does not cut what is being drained."""
    supervised.orders["nginx"]["after"] = 1
    supervised.start()
    supervised.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "nginx SIGQUIT" in supervised.events(), what="it drains")
    assert supervised.stop() == 0
    ended = [supervised.events().count(f"{name} ended") for name in ALL]
    assert ended == [1] * len(ALL)


@pytest.mark.parametrize("stubborn", ["nginx", *POOLS], ids=str)
def test_a_child_that_ignores_its_signals_is_killed(
    supervised: Supervised, stubborn: str
) -> None:
    """It gets its grace and no more; the others still end in good order."""
    supervised.orders |= {"grace": 1, "end_seconds": 0.5}
    supervised.orders[stubborn]["ends_on"] = []
    supervised.start()
    begun = time.monotonic()
    assert supervised.stop() == 0
    assert time.monotonic() - begun >= 1
    assert f"gateway: {stubborn} is still busy after 1 s; ending it" in supervised.err()
    assert f"{stubborn} SIGTERM" in supervised.events()
    assert f"{stubborn} ended" not in supervised.events()
    assert supervised.left() == []


def test_all_ignoring_their_signals_are_killed(supervised: Supervised) -> None:
    """The grace is one for all together: stopping has one bound."""
    supervised.orders |= {"grace": 2, "end_seconds": 0.2}
    for name in ALL:
        supervised.orders[name]["ends_on"] = []
    supervised.start()
    begun = time.monotonic()
    assert supervised.stop() == 0
    # One for each would take as long as this.
    assert time.monotonic() - begun < len(ALL) * supervised.orders["grace"]
    assert supervised.left() == []


def test_a_worker_that_hangs_does_not_outlive_its_master(
    supervised: Supervised,
) -> None:
    """A master killed by the system leaves workers, and one may be beyond signals."""
    supervised.orders["end_seconds"] = 0.5
    supervised.orders[POOLS[0]]["forks"] = True
    supervised.start()
    wait_until(lambda: len(supervised.pids(POOLS[0])) == 2, what="both have started")
    master = child_of(supervised.process.pid, supervised.pids(POOLS[0]))
    os.kill(master, signal.SIGKILL)
    assert supervised.wait() == 1
    wait_until(lambda: supervised.left() == [], what="the kernel has ended it")


def child_of(parent: int, pids: list[int]) -> int:
    """Return the one of *pids* that *parent* started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (child,) = set(map(int, children)) & set(pids)
    return child


# starting


@pytest.mark.parametrize("victim", ["nginx", *POOLS])
def test_a_child_that_does_not_start_is_named(
    supervised: Supervised, victim: str
) -> None:
    """Its own words are passed on, then one line, and nobody is left."""
    supervised.orders[victim] |= {"exits": 3, "err": "its own words\n"}
    supervised.launch()
    assert supervised.wait() == 1
    assert f"gateway: {victim} did not start; see above\n" in supervised.err()
    assert "its own words" in supervised.err()
    assert "ready" not in supervised.out()
    assert supervised.left() == []


def test_nginx_refusing_its_configuration_starts_nobody(supervised: Supervised) -> None:
    """The configuration is checked first, and nginx's words say what is wrong."""
    supervised.orders["nginx"]["fault"] = "nginx: [emerg] unknown directive"
    supervised.launch()
    assert supervised.wait() == 1
    assert supervised.err() == (
        "gateway: nginx rejects its configuration:\nnginx: [emerg] unknown directive\n"
    )
    assert supervised.events() == ["supervisor rendered", "nginx checked"]


@pytest.mark.parametrize("pool", POOLS)
def test_a_start_that_never_answers_ends(supervised: Supervised, pool: str) -> None:
    """Both pools are waited for, with a bound; nginx would answer 503 meanwhile."""
    supervised.orders["start_seconds"] = 1
    supervised.orders[pool]["answer"] = ""
    supervised.launch()
    assert supervised.wait() == 1
    assert "gateway: nothing answers after 1 seconds\n" in supervised.err()
    assert "ready" not in supervised.out()
    assert (supervised.pids("nginx"), supervised.pids("housekeeper")) == ([], [])
    assert supervised.left() == []


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_that_is_not_ready_is_no_hindrance(
    supervised: Supervised, pool: str
) -> None:
    """A database after a failover may be read-only for hours; deliveries go on."""
    supervised.orders[pool]["answer"] = "HTTP/1.0 503 Not ready\r\n\r\n"
    supervised.start()
    assert supervised.stop() == 0


def test_a_signal_during_the_start_ends_it(supervised: Supervised) -> None:
    """Ctrl-C need not wait for a start that may never come."""
    supervised.orders["start_seconds"] = 600
    supervised.orders[POOLS[0]]["answer"] = ""
    supervised.launch()
    wait_until(lambda: all(map(supervised.pids, POOLS)), what="both have started")
    assert supervised.stop(signal.SIGINT) == 0
    assert "ready" not in supervised.out()
    assert {f"{pool} ended" for pool in POOLS} <= set(supervised.events())
    assert supervised.left() == []


def test_a_stale_socket_is_no_hindrance(supervised: Supervised) -> None:
    """What a killed gateway left behind is cleared away at the next start."""
    (supervised.home / "app.sock").touch()
    (supervised.home / "verdicts.sock").touch()
    supervised.start()
    assert supervised.stop() == 0


# reloading


def test_a_reload_renders_checks_and_tells_all(supervised: Supervised) -> None:
    """The new configuration is written and checked before anybody reads it."""
    supervised.start()
    supervised.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: {f"{name} SIGHUP" for name in ALL} <= set(supervised.events()),
        what="all are told",
    )
    assert supervised.stop() == 0
    events = supervised.events()
    assert events.count("supervisor rendered") == 2
    rendered = events.index("supervisor rendered", 1)
    assert events[rendered + 1] == "nginx checked"
    assert rendered < min(events.index(f"{pool} SIGHUP") for pool in POOLS)
    assert "gateway: reloaded\n" in supervised.err()
    assert supervised.live() == "2"


def start_with_address(supervised: Supervised) -> Path:
    """Start, and wait until the server's address is known; return the file with it."""
    addresses, asked = (supervised.home / name for name in ("addresses", "asked"))
    addresses.write_text("192.0.2.1")
    supervised.start()
    before = asked.stat().st_size if asked.exists() else 0
    wait_until(
        lambda: asked.exists() and asked.stat().st_size >= before + 2,
        what="the name is resolved",
    )
    return addresses


def test_nginx_alone_is_reloaded_for_a_server_that_has_moved(
    supervised: Supervised,
) -> None:
    """It resolves names when it loads its configuration, and only then."""
    addresses = start_with_address(supervised)
    addresses.write_text("192.0.2.2")
    wait_until(lambda: "nginx SIGHUP" in supervised.events(), what="nginx is told")
    assert supervised.stop() == 0
    assert supervised.live() == "2"
    assert [e for e in supervised.events() if "SIGHUP" in e] == ["nginx SIGHUP"]
    assert "bucket.test has other addresses; nginx is reloaded" in supervised.err()


def test_a_reload_of_nginx_that_fails_is_tried_again(supervised: Supervised) -> None:
    addresses = start_with_address(supervised)
    (supervised.home / "render-fault").touch()
    addresses.write_text("192.0.2.2")
    wait_until(lambda: "not reloaded" in supervised.err(), what="it says so")
    (supervised.home / "render-fault").unlink()
    wait_until(lambda: "nginx SIGHUP" in supervised.events(), what="nginx is told")
    assert supervised.stop() == 0


def test_a_rendering_that_fails_reloads_nobody(supervised: Supervised) -> None:
    """The fault is reported, and serving goes on as before."""
    supervised.start()
    (supervised.home / "render-fault").touch()
    supervised.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded" in supervised.err(), what="it says so")
    assert supervised.stop() == 0
    assert "gateway: not reloaded: the rendering failed\n" in supervised.err()
    assert supervised.live() == "1"
    assert not [event for event in supervised.events() if "SIGHUP" in event]


def test_a_configuration_that_nginx_refuses_reloads_nobody(
    supervised: Supervised,
) -> None:
    """The check stands between rendering and reloading."""
    supervised.start()
    supervised.orders["nginx"]["fault"] = "nginx: [emerg] no such zone"
    (supervised.home / "orders").write_text(json.dumps(supervised.orders))
    supervised.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded" in supervised.err(), what="it says so")
    assert supervised.stop() == 0
    assert "nginx: [emerg] no such zone" in supervised.err()
    assert supervised.live() == "1"
    assert not [event for event in supervised.events() if "SIGHUP" in event]


# without nginx


@pytest.fixture
def without_nginx(supervised: Supervised) -> Supervised:
    """Make a supervisor whose nginx runs in another container."""
    supervised.orders["port"] = None
    supervised.names = (*POOLS, "housekeeper")
    return supervised


def test_without_nginx_the_others_are_started_and_stopped(
    without_nginx: Supervised,
) -> None:
    """Its files are there before anybody can ask whether the gateway is ready."""
    without_nginx.start()
    assert without_nginx.live() == "1"
    assert without_nginx.stop() == 0
    assert not [event for event in without_nginx.events() if "nginx" in event]
    assert without_nginx.left() == []


def test_without_nginx_a_reload_renders_and_tells_the_others(
    without_nginx: Supervised,
) -> None:
    """The container of nginx sees the new generation by itself."""
    without_nginx.start()
    without_nginx.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: (
            {f"{name} SIGHUP" for name in without_nginx.names}
            <= set(without_nginx.events())
        ),
        what="all are told",
    )
    assert without_nginx.live() == "2"
    assert without_nginx.stop() == 0


def test_without_nginx_its_files_are_written_when_both_pools_answer(
    without_nginx: Supervised,
) -> None:
    """Its container starts nginx as soon as there are files for it."""
    without_nginx.orders["start_seconds"] = 1
    without_nginx.orders[POOLS[1]]["answer"] = ""
    without_nginx.launch()
    assert without_nginx.wait() == 1
    assert "supervisor rendered" not in without_nginx.events()


def test_a_ledger_that_can_not_be_rotated_is_tried_once_a_second(
    supervised: Supervised,
) -> None:
    """The end of the script is a signal, at which the supervisor looks around."""
    begin = time.monotonic()
    supervised.start()
    wait_until(
        lambda: supervised.events().count("ledger rotate") >= 2, what="it is tried"
    )
    assert supervised.stop() == 0
    most = time.monotonic() - begin
    assert supervised.events().count("ledger rotate") <= most


# logs


def test_what_children_say_is_passed_on_without_tokens(supervised: Supervised) -> None:
    """Errors quote request lines, so stderr is blanked; the access log has none."""
    mac = "A" * 22
    supervised.orders["nginx"] |= {
        "out": '{"uri": "/x"}\n',
        "err": f'open() failed, request: "GET /s/kx.e0.i1.{mac}/a.txt HTTP/1.1"\n',
    }
    supervised.start()
    assert supervised.stop() == 0
    assert '{"uri": "/x"}\n' in supervised.out()
    assert supervised.err() == (
        'open() failed, request: "GET /s/[redacted]/a.txt HTTP/1.1"\n'
    )


def test_a_line_without_its_end_is_passed_on(supervised: Supervised) -> None:
    """A child that dies in the middle of a line is heard to that point."""
    supervised.orders["gunicorn-app"] |= {"out": "last out", "err": "last err"}
    supervised.start()
    assert supervised.stop() == 0
    assert "last out" in supervised.out()
    assert "last err" in supervised.err()


def test_no_last_words_are_lost(supervised: Supervised) -> None:
    """The readers finish what is in the pipe before the supervisor ends."""
    supervised.orders["gunicorn-app"]["last"] = "word\n" * 12_000
    supervised.start()
    assert supervised.stop() == 0
    assert supervised.err().count("word\n") == 12_000
