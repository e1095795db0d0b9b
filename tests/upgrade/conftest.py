"""A machine for several releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.upgrade.releases import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.remove()
