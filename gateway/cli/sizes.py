"""Sizes on the command line."""

from __future__ import annotations

import click

from gateway.config import quantities


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
        try:
            return quantities.size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
