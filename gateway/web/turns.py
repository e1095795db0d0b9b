"""Waiting for what a cut connection has left.

A client that has lost its line asks at once how far its upload is, while nginx
is still handing over what had come.  A moment's patience saves sending it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.polling import attempts

if TYPE_CHECKING:
    from gateway.uploads.resumable import Resumables
    from gateway.uploads.sender import Sender

#: A line that is dead without having said so takes longer: that is not waited for.
_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.05


def wait_for_turn(
    resumables: Resumables, sender: Sender, partial_id: str, *, now: int
) -> None:
    """Wait until no request of the upload is on its way, but not for long."""
    for _ in attempts(_SECONDS, every=_POLL_SECONDS):
        if not resumables.find(sender, partial_id, now=now).turn:
            return
