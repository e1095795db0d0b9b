"""Where the files beside the package are: nginx templates, gunicorn's conf."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]


def asset(name: str) -> Path:
    """Return the path of ``nginx/...``, ``gunicorn.conf.py`` or ``gateway/...``.

    A wheel carries the first two in ``gateway/_assets``; in a checkout they stand
    at the top of the repository.
    """
    packed = _PACKAGE / "_assets" / name
    return packed if packed.exists() else _PACKAGE.parent / name
