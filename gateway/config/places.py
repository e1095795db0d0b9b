"""Where things lie on disk: nothing of the gateway's own among what it serves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def faults(files: str, served: str, own: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with where the gateway's things lie.

    *served* is the folder that the variable *files* names, *own* are the
    gateway's folder, socket and secrets by their variables.  Where links lead
    counts, not how a path is written.
    """
    if not os.path.isdir(served):  # noqa: PTH112 -- Path's raises on some paths
        yield f"{files}: {_absolute(served)} is no folder"
        return
    root = os.path.realpath(served)
    for name, path in own.items():
        real = os.path.realpath(path)
        if _lies_in(real, root):
            yield (
                f"{name}: {_absolute(path)} lies in the folder that is served, "
                f"{files}; name a place outside it"
            )
        elif _lies_in(root, real):
            yield (
                f"{files}: {_absolute(served)} lies in the gateway's own folder, "
                f"{name}, from which nothing is served; name a place outside it"
            )


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 -- as it is written, links kept


def _lies_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
