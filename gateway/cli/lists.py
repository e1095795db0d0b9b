"""How many rows a list has: the option that all lists share."""

from __future__ import annotations

from typing import Final

import click

#: As many as a database takes for a number of rows, and a person ever needs.
_MAXIMUM: Final = 1_000_000

LIMIT: Final = click.option(
    "--limit",
    type=click.IntRange(min=1, max=_MAXIMUM),
    default=1000,
    show_default=True,
    help="The newest so many.",
)
