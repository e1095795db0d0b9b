"""How many connections wait for a pool, as the kernel tells."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gateway.http.pools import Pool
from gateway.metrics import queues

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_connections_that_nobody_has_accepted_are_waiting(tmp_path: Path) -> None:
    paths = {pool: tmp_path / pool.socket for pool in Pool}
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(paths[Pool.APP]))
        listener.listen()
        for _ in range(3):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(paths[Pool.APP]))
        stack.enter_context(listener.accept()[0])
        # Nobody listens on the other one.
        assert queues.lengths(paths) == {Pool.APP: 2}


def test_a_kernel_that_may_not_be_asked_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a sandbox forbids this family of addresses."""

    def forbidden(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "socket", forbidden)
    assert queues.lengths({Pool.APP: tmp_path / "app.sock"}) == {}
