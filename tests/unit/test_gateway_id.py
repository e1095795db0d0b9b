"""A gateway is told from others by what lies in its data folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gateway.config.gateway_id import own_id

if TYPE_CHECKING:
    from pathlib import Path


def test_processes_that_ask_at_once_are_told_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ThreadPoolExecutor(16) as pool:
        told = set(pool.map(lambda _: own_id(data), range(64)))
    again = own_id(data)
    assert (told, [path.name for path in data.iterdir()]) == ({again}, ["id"])
    assert len(again) == 32


def test_two_gateways_have_two(tmp_path: Path) -> None:
    assert own_id(tmp_path / "one") != own_id(tmp_path / "two")
