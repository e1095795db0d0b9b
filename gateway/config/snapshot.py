"""The settings that ``gateway serve`` has read, shared with its children.

Each child inherits the descriptor of an anonymous file in memory (memfd_create(2)); the
supervisor replaces its content at a reload.  Keys and passwords from the environment or
a tmpfs are thus never written to a disk, and there is no file to remove after the last
process exits.  A child does not open the files of ``GATEWAY_X_FILE`` again, so that all
children have the same settings.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Has the descriptor of the snapshot that a child of ``gateway serve`` reads.
VARIABLE: Final = "GATEWAY_SNAPSHOT"


class Snapshot:
    """Environment variables in memory; children inherit ``descriptor``."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("gateway-settings", os.MFD_CLOEXEC)

    def replace(self, variables: Mapping[str, str]) -> None:
        """Replace the content with *variables*."""
        content = json.dumps(dict(variables)).encode()
        with _locked(self.descriptor, fcntl.LOCK_EX):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, content, 0)


def read(descriptor: int) -> dict[str, str]:
    """Return the variables of the snapshot with the open *descriptor*."""
    with _locked(descriptor, fcntl.LOCK_SH):
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    variables: dict[str, str] = json.loads(content)
    return variables


@contextmanager
def _locked(descriptor: int, kind: int) -> Iterator[None]:
    # (!) Not flock: processes that inherit a descriptor share its flock.
    fcntl.lockf(descriptor, kind)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
