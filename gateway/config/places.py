"""Check folders' locations: the gateway must not serve its own keys and catalog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from gateway.config import variables
from gateway.config.fields import SQLITE
from gateway.config.variables import FILE_SUFFIX, variable
from gateway.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: The data folder if none is set.
DATA: Final = "var"
#: The fields that are folders of the gateway's own.
_FOLDERS: Final = ("run", "store", "verdict_cache")


def misplaced(
    environ: Mapping[str, str], values: Mapping[str, str], faults: Collection[str]
) -> Iterator[str]:
    """Yield faults in the locations of folders.

    *values* are the texts of the settings by field, which were read from *environ*.
    Settings in which *faults* were found are left out.
    """
    own = {variable("data"): values.get("data", DATA)}
    own |= {variable(field): values[field] for field in _FOLDERS if field in values}
    if values.get("database", "").startswith(SQLITE):
        own[variable("database")] = values["database"].removeprefix(SQLITE)
    for field in values:
        name = variable(field) + FILE_SUFFIX
        if environ.get(name):
            own[name] = environ[name]
    faulty, files = variables.faulty_names(faults), variable("files")
    if "files" in values and files not in faulty:
        valid = {name: path for name, path in own.items() if name not in faulty}
        for folder in Places.parse(values["files"]).folders.values():
            yield from _faults(files, str(folder), valid)


def _faults(files: str, served: str, own: Mapping[str, str]) -> Iterator[str]:
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
