"""``gateway nginx-conf``: the rendered set, to read or to include."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from gateway.cli.catalog import open_store
from gateway.config import settings
from gateway.config.fields import plain_path
from gateway.config.gateway_id import own_id
from gateway.runtime.rendering import NginxConf


def plain_folder(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Return the folder that an option names, absolute, if nginx can be told of it."""
    try:
        return None if value is None else plain_path(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command("nginx-conf")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    callback=plain_folder,
    help="Write the set into this folder instead of printing it.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    help="What nginx's listen directive says.",
)
@click.option(
    "--access-log",
    default="/var/log/nginx/gateway.log",
    show_default=True,
    help="Where the access log goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def nginx_conf(
    *, output: Path | None, listen: str, access_log: str, as_json: bool
) -> None:
    """Print nginx's configuration, every file of it.

    With --output it is written to a folder, whose conf.d/*.conf and
    snippets/gateway.conf a site's own nginx can include (docs/nginx.md).
    """
    current = settings.read(required=("files",)).settings
    rendering = NginxConf(
        settings=current,
        listen=listen,
        run=(current.run or current.data / "run") / "nginx",
        conf=output or Path("/etc/nginx/gateway"),
        ledger=open_store(current).ledger(own_id(current.data)),
        access_log=access_log,
    )
    if output is not None:
        # It holds no secret, and nginx's workers may be another user.
        os.umask(0o022)
        rendering.write()
    files = rendering.files()
    if as_json:
        click.echo(json.dumps(files))
    elif output is None:
        for name, text in files.items():
            click.echo(f"# ==== {name} ====\n{text}")
