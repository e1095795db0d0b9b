"""``gateway reload``: reload the settings of the running gateway."""

from __future__ import annotations

import click

from gateway.config import settings
from gateway.runtime import instance


@click.command()
def reload() -> None:
    """Reload the settings of the running gateway.

    The gateway that runs from GATEWAY_DATA rereads the settings that are in files
    (GATEWAY_X_FILE). Like SIGHUP to `gateway serve`, but this command waits for the
    result.

    Exits with status 1 if a setting is invalid; the gateway then keeps the old ones.
    """
    instance.reload(settings.read(only=("data",)).settings.data)
