"""Locate the files outside the package: nginx's templates, gunicorn's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]


def asset(name: str) -> Path:
    """Return the path of ``nginx/...``, ``gunicorn.conf.py`` or ``gateway/...``.

    A wheel contains the first two in ``gateway/_assets``; in a checkout they are at the
    top of the repository.
    """
    packed = _PACKAGE / "_assets" / name
    return packed if packed.exists() else _PACKAGE.parent / name
