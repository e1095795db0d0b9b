"""Servers that move to other addresses while nginx runs."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.origin import Origin
from gateway.runtime.upstream_names import UpstreamNames, answers, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = Origin("https", "s3.example.com", 443)


@dataclass
class World:
    """DNS, a network and a clock."""

    addresses: set[str] = field(default_factory=lambda: {"192.0.2.1", "192.0.2.2"})
    listening: set[str] = field(default_factory=set)
    now: float = 0
    server: Origin = SERVER

    def names(self) -> UpstreamNames:
        return UpstreamNames(
            lambda: [self.server],
            lambda _: frozenset(self.addresses),
            lambda _, address: address in self.listening,
            lambda: self.now,
        )


def test_a_server_that_keeps_one_address_has_not_moved() -> None:
    world = World()
    names = world.names()
    for world.addresses in ({"192.0.2.1"}, {"192.0.2.1", "192.0.2.9"}):
        names.check()
        assert names.moved == ""


def test_a_server_with_other_addresses_only_has_moved() -> None:
    world = World()
    names = world.names()
    names.check()
    world.addresses = {"192.0.2.9"}
    names.check()
    assert names.moved == SERVER.host
    names.note_load()
    names.check()
    assert names.moved == ""


def test_addresses_that_still_are_that_server_are_used_further() -> None:
    """A name of Amazon has other addresses at each question."""
    world = World(listening={"192.0.2.1", "192.0.2.2", "192.0.2.9"})
    names = world.names()
    names.check()
    world.addresses = {"192.0.2.9"}
    for world.now in (30, 630, 100_000):
        names.check()
        assert names.moved == ""


@pytest.mark.parametrize("found", [{"192.0.2.1"}, {"192.0.2.9"}], ids=["one", "other"])
def test_a_server_of_which_one_address_is_gone_has_moved(found: set[str]) -> None:
    """One connection may fail by accident; this address is not used any more."""
    world = World(listening={"192.0.2.1", "192.0.2.9"})
    names = world.names()
    names.check()
    world.addresses = found
    for listening, moved in (
        ({"192.0.2.1", "192.0.2.9"}, ""),
        ({"192.0.2.1", "192.0.2.2", "192.0.2.9"}, ""),
        ({"192.0.2.1", "192.0.2.9"}, ""),
        ({"192.0.2.1", "192.0.2.9"}, SERVER.host),
    ):
        world.listening = listening
        names.check()
        assert names.moved == moved
    names.note_load()
    for _ in range(3):
        names.check()
        assert names.moved == ""


def test_a_server_that_is_down_has_not_moved() -> None:
    """Although its name has another address now, beside an old one."""
    world = World()
    names = world.names()
    names.check()
    world.addresses = {"192.0.2.1", "192.0.2.9"}
    for _ in range(3):
        names.check()
        assert names.moved == ""


def test_without_tls_old_addresses_are_used_for_ten_minutes() -> None:
    world = World(
        listening={"192.0.2.1", "192.0.2.2"},
        server=Origin("http", "s3.example.com", 8333),
    )
    names = world.names()
    names.check()
    for world.now, address, moved in (
        (30, "192.0.2.9", ""),
        (60, "192.0.2.1", ""),
        (90, "192.0.2.9", ""),
        (689, "192.0.2.9", ""),
        (690, "192.0.2.9", "s3.example.com"),
    ):
        world.addresses = {address}
        names.check()
        assert names.moved == moved


def test_no_answer_of_dns_changes_nothing() -> None:
    world = World(addresses=set())
    names = world.names()
    for world.addresses in (set(), {"192.0.2.1"}, set(), {"192.0.2.1"}):
        names.check()
        assert names.moved == ""


def test_names_are_resolved_and_addresses_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        local = Origin("http", "localhost", port)
        assert "127.0.0.1" in resolve(local)
        assert answers(local, "127.0.0.1")
    assert not answers(local, "127.0.0.1")
    assert resolve(Origin("https", "does-not-exist.invalid", 443)) == frozenset()


@pytest.fixture
def tls_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run a server with a certificate for localhost, which this process trusts."""
    file = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=server",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection = listener.accept()[0]
            with suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def test_with_tls_only_the_named_server_answers(tls_port: int) -> None:
    assert answers(Origin("https", "localhost", tls_port), "127.0.0.1")
    assert not answers(Origin("https", "other.example", tls_port), "127.0.0.1")
