"""``gateway nginx-conf``: the rendered nginx configuration, to read or to include."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from gateway.cli.catalog import open_store
from gateway.cli.options import JSON
from gateway.config import settings
from gateway.config.fields import plain_path
from gateway.runtime.rendering import NginxConf


def plain_folder(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Return the absolute folder of an option; fail if nginx can't express its path."""
    try:
        return None if value is None else plain_path(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command("nginx-conf")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    callback=plain_folder,
    help="Write the files to this folder instead of printing them.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="ADDRESS",
    help="Value of nginx's listen directive.",
)
@click.option(
    "--access-log",
    default="/var/log/nginx/gateway.log",
    show_default=True,
    metavar="FILE",
    help="Path of nginx's access log.",
)
@JSON
def nginx_conf(
    *, output: Path | None, listen: str, access_log: str, as_json: bool
) -> None:
    """Print the nginx configuration.

    With --output, write it to a folder. A site's own nginx can include conf.d/*.conf
    and snippets/gateway.conf from there (docs/nginx.md).
    """
    current = settings.read(required=("files",)).settings
    store = open_store(current)
    rendering = NginxConf(
        settings=current,
        listen=listen,
        run=current.run or current.data / "run",
        conf=output or Path("/etc/nginx/gateway"),
        spool=store.spool,
        byte_cache=store.byte_cache,
        ledger=store.ledger,
        access_log=access_log,
    )
    if output is not None:
        # The files hold no secret, and nginx's workers may run as another user.
        os.umask(0o022)
        rendering.write()
    files = rendering.files()
    if as_json:
        click.echo(json.dumps(files))
    elif output is None:
        for name, text in files.items():
            click.echo(f"# ==== {name} ====\n{text}")
