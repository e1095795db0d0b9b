"""How a delivery leaves: as few packets as it fits into."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.live.stack import fresh_client

if TYPE_CHECKING:
    from tests.live.stack import Stack


def first_packet(stack: Stack, path: str) -> bytes:
    """Return what can be read as soon as anything can."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"X-Forwarded-For: {fresh_client()}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(request.encode())
        return peer.recv(1 << 16)


def test_a_small_file_comes_in_one_packet_with_its_headers(
    native_stack: Stack,
) -> None:
    """Else each client is woken twice, and each delivery costs two packets.

    Before a container stands the engine's proxy, which makes packets of its own.
    """
    content = bytes(range(256)) * 4
    native_stack.put("p/small.bin", content)
    path = native_stack.sign("p/small.bin").removeprefix(native_stack.url)
    packets = [first_packet(native_stack, path) for _ in range(20)]
    assert [packet.endswith(content) for packet in packets] == [True] * 20
