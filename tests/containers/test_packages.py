"""Installing what is missing gives programs, and starts nothing."""

from __future__ import annotations

import subprocess
from functools import cache

import pytest

from tests.live.engine import require_containers
from tests.live.stack import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.extra]

#: A machine with systemd, as far as packages look, that writes down what it is told.
MACHINE = r"""
set -eu
mkdir -p /run/systemd/system
cat > /usr/bin/systemctl <<'EOF'
#!/bin/sh
echo "$*" >> /told
case $* in
    *is-active*) exit 3 ;;
    *is-enabled*) echo enabled ;;
esac
EOF
chmod +x /usr/bin/systemctl
/deploy/install-packages.sh nginx postgresql
sed 's/^/told: /' /told
ls /etc/postgresql | sed 's/^/cluster: /'
ls -d /usr/sbin/policy-rc.d /etc/postgresql-common/createcluster.d/* | sed 's/^/left: /'
/usr/sbin/nginx -v 2>&1
ls /usr/lib/postgresql/*/bin/postgres
"""


@cache
def installed() -> str:
    """Return what the installation on a fresh machine said and left."""
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "host",
         "--volume", f"{ROOT}/deploy:/deploy:ro",
         "debian:trixie-slim", "sh", "-c", MACHINE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def said() -> list[str]:
    require_containers()
    return installed().splitlines()


def test_the_programs_are_there(said: list[str]) -> None:
    """What was asked for is installed, without asking anything."""
    assert any(line.startswith("nginx version:") for line in said)
    assert any(line.endswith("/bin/postgres") for line in said)


def test_no_service_is_started(said: list[str]) -> None:
    """Debian's nginx would take port 80 of a machine that has other plans for it."""
    told = [line.split() for line in said if line.startswith("told: ")]
    assert told
    assert [words for words in told if {"start", "restart"} & set(words)] == []


def test_nginx_does_not_start_at_the_next_boot(said: list[str]) -> None:
    """It is a program of ``gateway serve``."""
    assert "told: disable --quiet nginx.service" in said


def test_no_database_cluster_is_made(said: list[str]) -> None:
    """Nobody asked for one."""
    assert [line for line in said if line.startswith("cluster: ")] == []


def test_nothing_is_left_of_what_held_them_back(said: list[str]) -> None:
    """What the administrator installs later starts as ever."""
    assert [line for line in said if line.startswith("left: ")] == []
