"""Options and parameter types that several commands share."""

from __future__ import annotations

from typing import Final

import click

from gateway.config import quantities

#: Larger numbers overflow a database's LIMIT.
_MAXIMUM_ROWS: Final = 1_000_000

JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
LIMIT: Final = click.option(
    "--limit",
    type=click.IntRange(min=1, max=_MAXIMUM_ROWS),
    default=1000,
    show_default=True,
    metavar="N",
    help="List at most N entries.",
)
NO_EXPIRY: Final = click.option(
    "--no-expiry", is_flag=True, help="Keep the link valid until it is revoked."
)
USER: Final = click.option(
    "--user", metavar="NAME", help="List only entries of this user."
)


class Size(click.ParamType[int]):
    """Bytes: ``1000``, ``500M``, ``1G``; the units are powers of 1024."""

    name = "size"

    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Parse the text, or fail with the accepted forms."""
        if isinstance(value, int):
            return value
        try:
            return quantities.size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Id(click.ParamType[str]):
    """An id, as the commands print it."""

    name = "id"

    def convert(
        self,
        value: str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the id; raise UnicodeEncodeError for bytes, which main() reports."""
        del param, ctx
        value.encode()
        return value
