"""A bucket whose server has several addresses, some of which can't be reached."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.live.fake_bucket import CONTENT, FakeBucket
from tests.live.ports import free_port
from tests.live.test_bucket_answers import STORED, Delivery
from tests.live.test_nginx import Nginx

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: More than the buffers of sockets hold.
BODY = b"x" * (8 << 20)


@contextmanager
def delivery(
    folder: Path, bucket: FakeBucket, addresses: Iterable[str]
) -> Iterator[Delivery]:
    """Run nginx, which tries *addresses* before that of *bucket*."""
    with Nginx(
        folder,
        addresses=addresses,
        GATEWAY_FILES="s3://media",
        GATEWAY_BLOBS="s3://media/uploads",
        GATEWAY_BUCKET_ENDPOINT=f"http://127.0.0.1:{bucket.port}",
    ) as nginx:
        yield Delivery(nginx, bucket)


def test_addresses_that_refuse_connections_are_passed_over(tmp_path: Path) -> None:
    """Such as those of a network to which this machine has no route."""
    refusing = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    with (
        FakeBucket().running() as bucket,
        delivery(tmp_path, bucket, refusing) as running,
    ):
        for number in range(8):
            running.names(f"/media/{number}.txt?a /media/{number}.txt?a")
            assert running.get().content == CONTENT
        bucket.script = lambda _: STORED
        for body in (b"", b"x", BODY):
            assert [running.put(body) for _ in range(4)] == ["200"] * 4
            assert bucket.bodies[-1] == body


class Dying(FakeBucket):
    """Closes each connection in the middle of the body."""

    def serve(self, peer: socket.socket) -> None:
        self.asked.append("")
        left = len(BODY) // 2
        while left > 0 and (chunk := peer.recv(65_536)):
            left -= len(chunk)


def test_a_body_of_which_a_part_was_sent_is_not_sent_again(tmp_path: Path) -> None:
    with (
        FakeBucket().running() as bucket,
        Dying().running() as dying,
        delivery(tmp_path, bucket, [f"127.0.0.1:{dying.port}"]) as running,
    ):
        assert running.put(BODY) == "502"
        assert (len(dying.asked), bucket.asked) == (1, [])
