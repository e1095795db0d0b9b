"""Check folders' locations: the gateway must not serve its own keys and catalog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def faults(files: str, served: str, own: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each of the gateway's own paths inside the served folder.

    The folder *served* is the value of the variable *files*; *own* maps variables to
    the gateway's own folders and files.  Symlinks are resolved.  The reverse, a served
    folder inside a folder of the gateway, is a fault as well.
    """
    if not os.path.isdir(served):  # noqa: PTH112 -- Path's raises on some paths
        yield f"{files}: {_absolute(served)} is not a folder"
        return
    root = os.path.realpath(served)
    for name, path in own.items():
        real = os.path.realpath(path)
        if _is_inside(real, root):
            yield (
                f"{name}: {_absolute(path)} is inside the served folder, {files}; "
                "choose a path outside it"
            )
        elif _is_inside(root, real):
            yield (
                f"{files}: {_absolute(served)} is inside the gateway's own folder, "
                f"{name}, which is never served; choose a path outside it"
            )


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 -- keep symlinks unresolved


def _is_inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
