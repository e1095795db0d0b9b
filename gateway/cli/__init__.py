"""The command ``gateway``: one module for each group of commands.

Exit status 0 done, 1 refused or failed with a clear line on stderr, 2 wrong
usage.
"""

from __future__ import annotations

import sys

import click

from gateway import __version__
from gateway.cli.keys import keys
from gateway.cli.links import inspect_url, sign
from gateway.cli.nginx_conf import nginx_conf
from gateway.cli.serve import serve
from gateway.errors import GatewayError, SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway")
def gateway() -> None:
    """Serve private files: Flask decides, nginx delivers.

    Settings come from the environment; docs/settings.md lists them.
    """


for command in (serve, sign, inspect_url, keys, nginx_conf):
    gateway.add_command(command)


def main() -> None:
    """Run the command line; errors become one clear line and status 1."""
    try:
        gateway.main(prog_name="gateway")
    except SettingsError as error:
        for fault in error.faults:
            click.echo(f"gateway: {fault}", err=True)
        sys.exit(1)
    except (GatewayError, OSError) as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)
