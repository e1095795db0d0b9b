"""The number of connections that wait for the workers of a pool.

sock_diag(7): with UDIAG_SHOW_RQLEN, the receive queue of a listening unix socket
contains the connections that no process has accepted.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gateway.http.pools import Pool

_NETLINK_SOCK_DIAG: Final = 4
#: nlmsghdr: length, type, flags, sequence, port.
_HEADER: Final = struct.Struct("=IHHII")
#: unix_diag_req: family, protocol, padding, states, inode, what to show, cookie.
_REQUEST: Final = struct.Struct("=BBHIIIII")
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_NLM_F_DUMP: Final = 0x300
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_LISTENING: Final = 1 << 10
_ANY: Final = 0xFFFFFFFF
_SHOW_NAME: Final = 1
_SHOW_QUEUE: Final = 0x10
#: The bytes of unix_diag_msg, before its attributes.
_MESSAGE: Final = 16
#: nlattr: length and type; unix_diag_rqlen: receive queue and send queue.
_ATTRIBUTE: Final = struct.Struct("=HH")
_QUEUE: Final = struct.Struct("=II")
_NAME_ATTRIBUTE: Final = 0
_QUEUE_ATTRIBUTE: Final = 4
_SECONDS: Final = 1.0


def lengths(sockets: Mapping[Pool, Path]) -> dict[Pool, int]:
    """Return the number of waiting connections of each pool.

    A pool is left out if its socket is not found, and all are if this process may not
    ask the kernel.
    """
    try:
        found = dict(_listening())
    except OSError:
        return {}
    names = {pool: os.fsencode(path) for pool, path in sockets.items()}
    return {pool: found[name] for pool, name in names.items() if name in found}


def _listening() -> Iterator[tuple[bytes, int]]:
    """Yield the path and the queue's length of each listening unix socket."""
    request = _REQUEST.pack(
        *(socket.AF_UNIX, 0, 0, _LISTENING, 0),
        *(_SHOW_NAME | _SHOW_QUEUE, _ANY, _ANY),
    )
    header = _HEADER.pack(
        *(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY),
        *(_NLM_F_REQUEST | _NLM_F_DUMP, 0, 0),
    )
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG
    ) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.sendall(header + request)
        while True:
            messages = kernel.recv(1 << 16)
            start = 0
            while start < len(messages):
                length, kind, *_ = _HEADER.unpack_from(messages, start)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    raise OSError("sock_diag is not supported")
                content = messages[start + _HEADER.size + _MESSAGE : start + length]
                attributes = dict(_attributes(content))
                name = attributes.get(_NAME_ATTRIBUTE, b"").rstrip(b"\0")
                waiting, _ = _QUEUE.unpack(attributes[_QUEUE_ATTRIBUTE])
                yield name, waiting
                start += _padded(length)


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, start)
        yield kind, content[start + _ATTRIBUTE.size : start + length]
        start += _padded(length)


def _padded(length: int) -> int:
    return -(-length // 4) * 4
