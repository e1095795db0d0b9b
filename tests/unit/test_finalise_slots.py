"""Large uploads that are just being finished leave threads for everything else."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.errors import NoFinaliseSlotError
from gateway.uploads.finalise_slots import LARGE, Ends


def test_one_large_upload_more_than_there_are_places_is_refused() -> None:
    ends = Ends(2)
    with ends.one(LARGE), ends.one(LARGE):
        with pytest.raises(NoFinaliseSlotError), ends.one(LARGE):
            pass
        with pytest.raises(NoFinaliseSlotError), ends.one(10 << 30):
            pass


def test_a_small_upload_needs_no_place() -> None:
    ends = Ends(1)
    with ends.one(LARGE), ends.one(LARGE - 1), ends.one(0), ExitStack() as more:
        for size in (0, 1, LARGE - 1):
            more.enter_context(ends.one(size))
        with pytest.raises(NoFinaliseSlotError):
            more.enter_context(ends.one(LARGE))


def test_a_place_is_free_again_whatever_became_of_its_upload() -> None:
    ends = Ends(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), ends.one(LARGE):
            raise RuntimeError
    with ends.one(LARGE), pytest.raises(NoFinaliseSlotError), ends.one(LARGE):
        pass
