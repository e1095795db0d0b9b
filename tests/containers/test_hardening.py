"""What the containers may not do, and what outlives them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.engine import require_containers, run
from tests.live.stack import SERVICES, ContainerStack, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

EACH_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=str)


@pytest.fixture
def containers(container_stack: Stack) -> ContainerStack:
    assert isinstance(container_stack, ContainerStack)
    return container_stack


def inspect(containers: ContainerStack, service: str) -> dict[str, Any]:
    done = subprocess.run(
        ["docker", "inspect", containers.container(service)],
        check=True,
        capture_output=True,
        text=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)[0]
    return facts


@EACH_SERVICE
def test_it_runs_as_one_user_without_any_privilege(
    containers: ContainerStack, service: str
) -> None:
    status = containers.run_in(service, "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert facts["Gid"].split() == ["10001"] * 4
    assert {int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert facts["NoNewPrivs"] == "1"


@EACH_SERVICE
def test_its_root_is_read_only(containers: ContainerStack, service: str) -> None:
    probe = "touch /x /usr/x /srv/files/x /opt/x 2>&1 || true"
    said = containers.run_in(service, "sh", "-c", probe)
    assert said.count("Read-only file system") + said.count("No such") == 4


def test_the_gateway_has_no_network(containers: ContainerStack) -> None:
    names = containers.run_in("gateway", "ls", "/sys/class/net").split()
    assert names == ["lo"]


@pytest.mark.parametrize(
    ("setting", "mode"),
    [
        pytest.param({}, "none", id="neither"),
        pytest.param({"GATEWAY_MAIL_URL": ""}, "none", id="an empty setting"),
        pytest.param({"GATEWAY_MAIL_URL": "smtp://a"}, "bridge", id="a relay"),
        pytest.param({"GATEWAY_MAIL_URL_FILE": "/a"}, "bridge", id="a relay by file"),
        pytest.param({"FILES_BUCKET": "s3://a"}, "bridge", id="files"),
        pytest.param({"GATEWAY_BLOBS": "s3://a"}, "bridge", id="uploads"),
        pytest.param({"GATEWAY_BLOBS_FILE": "/a"}, "bridge", id="uploads by file"),
        pytest.param(
            {
                "FILES_BUCKET": "s3://a",
                "GATEWAY_BLOBS_FILE": "/a",
                "GATEWAY_MAIL_URL_FILE": "/a",
            },
            "bridge",
            id="all",
        ),
    ],
)
def test_the_gateway_gets_a_network_with_a_relay_or_a_bucket(
    setting: dict[str, str], mode: str
) -> None:
    require_containers()
    config = ["docker", "compose", "--env-file", "/dev/null", "config"]
    services = json.loads(run([*config, "--format", "json"], {**os.environ, **setting}))
    assert services["services"]["gateway"]["network_mode"] == mode
    assert sorted(services["services"]) == sorted(SERVICES)


def test_the_gateway_knows_authorities_of_relays(containers: ContainerStack) -> None:
    known = "import ssl; print(ssl.create_default_context().cert_store_stats())"
    assert "'x509_ca': 0" not in containers.run_in("gateway", "python", "-c", known)


@EACH_SERVICE
def test_it_is_healthy_and_says_so_by_itself(
    containers: ContainerStack, service: str
) -> None:
    assert inspect(containers, service)["State"]["Health"]["Status"] == "healthy"


def test_only_loopback_is_published(containers: ContainerStack) -> None:
    ports = inspect(containers, "nginx")["NetworkSettings"]["Ports"]["8080/tcp"]
    assert {port["HostIp"] for port in ports} == {"127.0.0.1"}


def test_the_wheel_carries_what_stands_beside_the_package(
    containers: ContainerStack,
) -> None:
    printed = containers.run_in("gateway", "gateway", "nginx-conf")
    assert "==== snippets/media_types.conf ====" in printed


@pytest.fixture
def own_containers() -> Iterator[ContainerStack]:
    stack = ContainerStack()
    del stack.settings["GATEWAY_KEYS"]
    with stack.running():
        yield stack


@pytest.mark.usefixtures("container_stack")
def test_a_first_start_makes_a_key_that_outlives_the_container(
    own_containers: ContainerStack,
) -> None:
    stack = own_containers
    stack.put("hello.txt", b"hello\n")
    link = stack.run_in("gateway", "gateway", "sign", "hello.txt", "--expires", "1h")
    before = stack.ask(link.strip())
    stack.recreate()
    after = stack.ask(link.strip())
    assert (before.content, after.content) == (b"hello\n", b"hello\n")
