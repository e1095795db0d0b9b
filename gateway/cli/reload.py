"""``gateway reload``: have the running gateway read its settings anew."""

from __future__ import annotations

import click

from gateway.config import settings
from gateway.runtime import instance


@click.command()
def reload() -> None:
    """Have the gateway that serves from GATEWAY_DATA read its settings anew.

    It reads what is given by file, and goes on as it was, with status 1 here, if that
    is faulty.  The same as SIGHUP, but for the answer.
    """
    instance.reload(settings.read(only=("data",)).settings.data)
