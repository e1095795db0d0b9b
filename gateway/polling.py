"""Poll with an interval and a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def attempts(seconds: float, *, every: float) -> Iterator[None]:
    """Yield at once, then every *every* seconds, and when *seconds* have passed.

    With 0 seconds there is one attempt.  There is no wait after the last attempt.
    """
    deadline = time.monotonic() + seconds
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(every, left))
        yield
