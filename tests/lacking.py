"""Missing requirements of a test: it is skipped, or fails in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(reason: str, *, required: str) -> NoReturn:
    """Skip the test for *reason*; fail it if the variable *required* is 1."""
    if os.environ.get(required) == "1":
        pytest.fail(f"{required} is set, but {reason}")
    pytest.skip(reason)
