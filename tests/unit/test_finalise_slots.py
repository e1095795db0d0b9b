"""Large uploads that are being finalised leave threads for other requests."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.errors import NoFinaliseSlotError
from gateway.uploads.finalise_slots import LARGE, FinaliseSlots


def test_a_large_upload_without_a_free_slot_is_refused() -> None:
    slots = FinaliseSlots(2)
    with slots.hold(LARGE), slots.hold(LARGE):
        with pytest.raises(NoFinaliseSlotError), slots.hold(LARGE):
            pass
        with pytest.raises(NoFinaliseSlotError), slots.hold(10 << 30):
            pass


def test_a_small_upload_needs_no_slot() -> None:
    slots = FinaliseSlots(1)
    with slots.hold(LARGE), slots.hold(LARGE - 1), slots.hold(0), ExitStack() as more:
        for size in (0, 1, LARGE - 1):
            more.enter_context(slots.hold(size))
        with pytest.raises(NoFinaliseSlotError):
            more.enter_context(slots.hold(LARGE))


def test_a_slot_is_free_again_after_a_failure() -> None:
    slots = FinaliseSlots(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), slots.hold(LARGE):
            raise RuntimeError
    with slots.hold(LARGE), pytest.raises(NoFinaliseSlotError), slots.hold(LARGE):
        pass
