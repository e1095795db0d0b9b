"""Servers that move to other addresses while nginx runs."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from gateway.runtime.upstream_names import UpstreamNames, accepts, resolve

SERVER = ("s3.example.com", 443)


@dataclass
class World:
    """DNS, a network and a clock."""

    addresses: set[str] = field(default_factory=lambda: {"192.0.2.1", "192.0.2.2"})
    listening: set[str] = field(default_factory=set)
    now: float = 0

    def names(self) -> UpstreamNames:
        return UpstreamNames(
            lambda: [SERVER],
            lambda _: frozenset(self.addresses),
            lambda address: address[0] in self.listening,
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
    assert names.moved == SERVER[0]
    names.note_load()
    names.check()
    assert names.moved == ""


def test_old_addresses_that_accept_connections_are_used_for_ten_minutes() -> None:
    world = World(listening={"192.0.2.1"})
    names = world.names()
    names.check()
    world.addresses = {"192.0.2.9"}
    for world.now, moved in ((30, ""), (629, ""), (630, SERVER[0])):
        names.check()
        assert names.moved == moved


def test_an_address_that_comes_back_begins_the_ten_minutes_anew() -> None:
    world = World(listening={"192.0.2.1"})
    names = world.names()
    names.check()
    for world.now, address in (
        (30, "192.0.2.9"),
        (60, "192.0.2.1"),
        (700, "192.0.2.9"),
    ):
        world.addresses = {address}
        names.check()
        assert names.moved == ""


def test_no_answer_of_dns_changes_nothing() -> None:
    world = World(addresses=set())
    names = world.names()
    for world.addresses in (set(), {"192.0.2.1"}, set(), {"192.0.2.1"}):
        names.check()
        assert names.moved == ""


def test_names_are_resolved_and_addresses_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert resolve(("localhost", address[1])) & {"127.0.0.1"}
        assert accepts(address)
    assert not accepts(address)
    assert resolve(("does-not-exist.invalid", 443)) == frozenset()
