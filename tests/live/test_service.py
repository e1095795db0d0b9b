"""``deploy/gateway.service``: how little it permits, and that this is enough.

No systemd runs here: the system calls are filtered as SystemCallFilter= does it, by
libseccomp.  The other directives are not tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.lacking import lacking
from tests.live.shown import blocks
from tests.live.stack import ROOT, NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNIT: Final = ROOT / "deploy" / "gateway.service"
#: Debian's Python has libseccomp's module; the tests' virtual environment has not.
_PYTHON: Final = "/usr/bin/python3"
#: Runs a command that may only make the system calls of a list; others fail with EPERM.
_FILTERED: Final = """
import errno, os, sys
import seccomp

allowed = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
for name in sys.argv[1].split(","):
    if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
        allowed.add_rule(seccomp.ALLOW, name)
allowed.load()
os.execvp(sys.argv[2], sys.argv[2:])
"""
#: Makes root a user without privileges, as the unit's user is: as root, nginx would
#: change its user.  The rights to files stay.
_USER: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000",
                "setpriv", "--pdeathsig", "TERM")  # fmt: skip


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    found = subprocess.run(
        [_PYTHON, "-Ic", "import seccomp"], capture_output=True, check=False
    )
    if found.returncode:
        lacking("python3-seccomp is not installed", required="REQUIRE_SYSTEMD")
    if shutil.which("systemd-analyze") is None:
        lacking("systemd is not installed", required="REQUIRE_SYSTEMD")


def members(name: str) -> set[str]:
    """Return a system call, or those of a group of systemd and of the groups in it."""
    if not name.startswith("@"):
        return {name}
    lines = run("systemd-analyze", "syscall-filter", name).splitlines()[1:]
    names = [line.strip() for line in lines if not line.strip().startswith("#")]
    return set().union(*map(members, filter(None, names)))


def permitted() -> set[str]:
    """Return the system calls that the unit permits."""
    calls: set[str] = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(.+)$", _UNIT.read_text()):
        named = set().union(*map(members, line.removeprefix("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


@pytest.fixture(scope="module")
def filtered() -> tuple[str, ...]:
    """Return a command that runs another with the unit's system calls alone."""
    return (_PYTHON, "-Ic", _FILTERED, ",".join(sorted(permitted())))


@pytest.fixture(scope="module")
def service(filtered: tuple[str, ...]) -> Iterator[NativeStack]:
    stack = NativeStack()
    stack.starter = (*_USER, *filtered) if os.geteuid() == 0 else filtered
    with stack.running():
        yield stack


def test_its_exposure_is_small() -> None:
    run(
        *("systemd-analyze", "security", "--offline=true", "--no-pager"),
        *("--threshold=12", str(_UNIT)),
    )


def test_the_page_s_drop_in_for_several_machines_is_valid(tmp_path: Path) -> None:
    (drop_in,) = blocks("docs/scaling.md", "ini")
    files = {"gateway.service": _UNIT.read_text(), "gateway.service.d/a.conf": drop_in}
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        # The program must exist.
        file.write_text(re.sub(r"(?m)^(Exec\w+=)/\S+", rf"\1{_PYTHON}", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "gateway.service"],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_filter_forbids_what_the_unit_does(filtered: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*filtered, sys.executable, "-c", "import os; os.nice(1)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PermissionError" in done.stderr


def test_it_delivers_and_stores(service: NativeStack) -> None:
    service.put("a.txt", b"hello\n")
    sent = service.ask(service.sign("a.txt", rate=1_000_000))
    bearer = {"Authorization": f"Bearer {service.new_token('upload', 'read')}"}
    url = f"{service.url}/api/v1/files/b.txt"
    stored = service.ask(url, "PUT", data=b"stored\n", headers=bearer)
    read = service.ask(service.url + stored.json()["url"], headers=bearer)
    assert (sent.content, read.content) == (b"hello\n", b"stored\n")


def test_it_reloads(service: NativeStack) -> None:
    service.reload()
    wait_until(lambda: service.log_has("gateway: reloaded"), what="it has reloaded")


def test_nginx_has_the_highest_limit_of_open_files(service: NativeStack) -> None:
    (master, *_) = service.processes("nginx")
    limits = run("cat", f"/proc/{master}/limits")
    (soft, hard) = re.findall(r"Max open files +(\d+) +(\d+)", limits)[0]
    seccomp = re.findall(r"Seccomp:\t(\d)", run("cat", f"/proc/{master}/status"))
    assert (soft, seccomp) == (hard, ["2"])
