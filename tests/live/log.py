"""Read the growing logs of a running gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Log:
    """The complete lines of several growing files.

    ``text`` contains all lines read so far, ``rows`` those of the access log.
    """

    def __init__(self, *paths: Path) -> None:
        self.text = ""
        self.rows: list[dict[str, Any]] = []
        self._offsets = dict.fromkeys(paths, 0)

    def read(self) -> None:
        """Read the new lines; each row of the access log must be JSON."""
        for path, offset in self._offsets.items():
            with path.open("rb") as file:
                file.seek(offset)
                new, newline, _unfinished = file.read().rpartition(b"\n")
            if newline:
                lines = new.split(b"\n")
                self.rows += [json.loads(x.decode()) for x in lines if x[:1] == b"{"]
                self.text += (new + newline).decode(errors="replace")
                self._offsets[path] += len(new + newline)
