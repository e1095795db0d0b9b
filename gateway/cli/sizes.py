"""Sizes as people write them: ``500M``, ``1G``."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE: Final = re.compile(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


class Size(click.ParamType[int]):
    """Bytes: ``1000``, ``500M``, ``1G``; the units are powers of 1024."""

    name = "size"

    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Read the text, or fail with the forms that are known."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is no size like 500M or 1G", param, ctx)
        return int(match[1]) * _UNITS[match[2].upper()]
