"""The settings that ``gateway serve`` has read, as its children find them.

Each child inherits the descriptor of one anonymous file in memory
(memfd_create(2)), whose content the supervisor replaces at a reload.  Keys and
passwords that came by the environment or from a tmpfs so get onto no disk, and
nothing is left to remove when the last process has ended.  A child does not open
the files of ``GATEWAY_X_FILE`` again: it can't read another state than its siblings.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Snapshot:
    """Environment variables in memory; children inherit ``descriptor``."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("gateway-settings", os.MFD_CLOEXEC)

    def replace(self, variables: Mapping[str, str]) -> None:
        """Put *variables* in place of what is there."""
        content = json.dumps(dict(variables)).encode()
        with _locked(self.descriptor, fcntl.LOCK_EX):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, content, 0)


def read(descriptor: int) -> dict[str, str]:
    """Return the variables of the snapshot that is open at *descriptor*."""
    with _locked(descriptor, fcntl.LOCK_SH):
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    variables: dict[str, str] = json.loads(content)
    return variables


@contextmanager
def _locked(descriptor: int, kind: int) -> Iterator[None]:
    # (!) Not flock: those who inherit a descriptor would hold its lock together.
    fcntl.lockf(descriptor, kind)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
