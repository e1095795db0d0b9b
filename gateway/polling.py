"""Waiting for what only asking can tell, and not for longer than is bearable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def attempts(seconds: float, *, every: float) -> Iterator[None]:
    """Yield at once, every *every* seconds, and when *seconds* have passed.

    With 0 there is one attempt; nobody waits after the last.
    """
    deadline = time.monotonic() + seconds
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(every, left))
        yield
