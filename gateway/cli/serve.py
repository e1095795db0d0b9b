"""``gateway serve``: nginx and gunicorn together, in the foreground."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from gateway import settings
from gateway.cli.keys import add_key
from gateway.errors import SettingsError, SuperviseError
from gateway.links import Key, LinkSigner
from gateway.ops.address import record_url
from gateway.ops.nginx import NginxConf
from gateway.ops.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.settings import Settings


class Bind(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT`` for every address."""

    name = "host:port"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        """Split the text, or fail with the forms that are known."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]*):([0-9]{1,5})", value)
        if not match or not 0 < int(match[2]) < 1 << 16:
            self.fail(f"{value!r} is not of the form HOST:PORT", param, ctx)
        return match[1].strip("[]") or "0.0.0.0", int(match[2])  # noqa: S104


@click.command()
@click.option(
    "--bind",
    type=Bind(),
    default="127.0.0.1:8080",
    show_default=True,
    help="Where nginx listens.",
)
@click.option(
    "--link", metavar="PATH", help="When ready, print a signed link of PATH as well."
)
def serve(*, bind: tuple[str, int], link: str | None) -> None:
    """Serve files with nginx and gunicorn, in the foreground.

    Needs GATEWAY_FILES; makes a signing key in the data folder if
    GATEWAY_KEYS is not set.  SIGTERM drains and stops, SIGHUP reloads.
    """
    data = settings.read().settings.data
    with _only_one(data):
        _ensure_key()
        reading = settings.read(required=("files", "keys"), embedded=True)
        for warning in reading.warnings:
            click.echo(f"gateway: warning: {warning}", err=True)
        if os.geteuid() == 0:
            click.echo(
                "gateway: warning: running as root; in production give it a user of "
                "its own (deploy/gateway.service)",
                err=True,
            )
        sys.exit(_run(reading.settings, bind, link))


def _run(current: Settings, bind: tuple[str, int], link: str | None) -> int:
    host, port = bind
    shown = f"[{host}]" if ":" in host else host
    url = current.public_url or f"http://{shown.replace('0.0.0.0', '127.0.0.1')}:{port}"  # noqa: S104
    listen = f"{shown}:{port}"

    def render() -> Path:
        now = settings.read(required=("files", "keys"), embedded=True).settings
        if host not in {*now.hosts, "0.0.0.0", "::", "localhost"}:  # noqa: S104
            # The address that it is bound to is a name that it answers to.
            now = now.model_copy(update={"hosts": (*now.hosts, shown)})
        return NginxConf(
            settings=now,
            listen=listen,
            run=current.data / "run" / "nginx",
            conf=current.data / "run" / "conf",
        ).write()

    def announce() -> None:
        record_url(current.data, url)
        click.echo(f"Serving {current.files} on {url}")
        if link is not None and current.keys is not None:
            signer = LinkSigner(current.keys, url)
            click.echo(f"Try: curl {signer.sign(link, expires=timedelta(days=1))}")
        sys.stdout.flush()

    if current.socket is None:
        raise SettingsError(["GATEWAY_SOCKET: is not set"])
    return Supervisor(
        nginx_conf=render(),
        render=render,
        environment=_environment(current),
        socket=current.socket,
        address=(host, port),
        grace=current.grace,
    ).run(on_ready=announce)


def _environment(current: Settings) -> dict[str, str]:
    """Return what gunicorn reads: the same settings, and the key made here."""
    environment = settings.environment(PYTHONUNBUFFERED="1")
    if not (environment.get("GATEWAY_KEYS") or environment.get("GATEWAY_KEYS_FILE")):
        environment["GATEWAY_KEYS_FILE"] = str(current.embedded_keys)
    return environment


def _ensure_key() -> None:
    before = settings.read(embedded=True).settings
    if before.keys is None:
        add_key(before.embedded_keys, Key.generate())
        click.echo(f"Made a signing key in {before.embedded_keys}")


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder; raise SuperviseError if another one serves from it."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / "run").mkdir(exist_ok=True, mode=0o700)
    with (data / "run" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SuperviseError(
                f"another gateway is already serving from {data}"
            ) from None
        yield
