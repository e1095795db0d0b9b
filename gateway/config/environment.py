"""What the environment says, besides the settings, and what children inherit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config import secret_files, settings, snapshot, variables
from gateway.config.variables import FILE_SUFFIX, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config.settings import Settings
    from gateway.config.snapshot import Snapshot

#: Where prometheus-client looks for the folder of its files, and nowhere else.
_METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def sources(
    current: Settings, environ: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Return the file of each field whose value is in a file."""
    environ = os.environ if environ is None else environ
    given = {
        field: Path(environ[variable(field) + FILE_SUFFIX])
        for field in settings.describe().values()
        if environ.get(variable(field) + FILE_SUFFIX)
    }
    embedded = {
        field: current.data / field
        for field in secret_files.FIELDS
        if not environ.get(variable(field)) and (current.data / field).is_file()
    }
    return embedded | given


def has(field: str, environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a field is set, even to an invalid value."""
    environ = os.environ if environ is None else environ
    try:
        return variables.value(environ, variable(field)) is not None
    except ValueError:
        return True


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for the state that commands keep for this user.

    XDG Base Directory Specification, ``$XDG_STATE_HOME``.
    """
    environ = os.environ if environ is None else environ
    home = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "accel-gateway"


def name_metrics_folder(folder: Path) -> None:
    """Tell prometheus-client the folder of its files, for this process."""
    os.environ[_METRICS_FOLDER] = str(folder)


def child_environment(taken: Snapshot, **more: str) -> dict[str, str]:
    """Return the environment of a child that reads its settings from *taken*.

    The settings in *more* override *taken*; no other settings are included.
    """
    own = {f"{name}{end}" for name in settings.describe() for end in ("", FILE_SUFFIX)}
    rest = {name: text for name, text in os.environ.items() if name not in own}
    return {**rest, snapshot.VARIABLE: str(taken.descriptor), **more}
