"""What a running gateway logs, of which each look reads only what is new."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Log:
    """The whole lines of some files that grow.

    ``text`` has all lines that were read, ``rows`` those of the access log.
    """

    def __init__(self, *paths: Path) -> None:
        self.text = ""
        self.rows: list[dict[str, Any]] = []
        self._offsets = dict.fromkeys(paths, 0)

    def read(self) -> None:
        """Read what was written since; each row of the access log must be JSON."""
        for path, offset in self._offsets.items():
            with path.open("rb") as file:
                file.seek(offset)
                new, newline, _unfinished = file.read().rpartition(b"\n")
            if newline:
                lines = new.split(b"\n")
                self.rows += [json.loads(x.decode()) for x in lines if x[:1] == b"{"]
                self.text += (new + newline).decode(errors="replace")
                self._offsets[path] += len(new + newline)
