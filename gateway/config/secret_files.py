"""Signing keys and server secret in the data folder, if no setting names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.config import variables
from gateway.config.variables import variable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

#: The fields of Settings, which are the names of the files, and the commands that
#: create the files.
FIELDS: Final = {"keys": "gateway keys new --add", "secret": "gateway serve"}


def read(
    data: Path, values: dict[str, str], faults: list[str], only: Collection[str]
) -> None:
    """Add the contents of the files in *data* to *values*, of those fields in *only*.

    A field that *values* has is not read.  Files that can't be read add to *faults*.
    """
    for field in FIELDS:
        file = data / field
        if field not in only or field in values or not file.is_file():
            continue
        try:
            values[field] = variables.content(file)
        except ValueError as error:
            faults.append(f"{variable(field)}: {error}")


def missing_fault(field: str, data: Path) -> str:
    """Return the fault for keys or secret that are neither set nor in *data*."""
    return f"{variable(field)}: is not set{missing_hint(field, data)}"


def missing_hint(field: str, data: Path) -> str:
    """Return what to do about keys or secret that are neither set nor in *data*."""
    return (
        f", and there is no {(data / field).absolute()}; is GATEWAY_DATA right? For a "
        f"new gateway, create it with: {FIELDS[field]}"
    )
