"""``gateway serve``: nginx, gunicorn and housekeeping, in the foreground."""

from __future__ import annotations

import math
import os
import re
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import settings
from gateway.address import Address, authority, bracketed, local_url, record_url
from gateway.cli import moments
from gateway.cli.db import say_first_admin
from gateway.cli.keys import add_key
from gateway.cli.nginx_conf import plain_folder
from gateway.errors import SettingsError, SuperviseError
from gateway.links import Key, LinkSigner
from gateway.ops.live_conf import LiveConf, check_conf, find_nginx
from gateway.ops.nginx import NginxConf
from gateway.ops.prepare import make_first_admin, prepare_in_time
from gateway.ops.supervisor import Supervisor
from gateway.ops.verdict_cache import verdict_cache
from gateway.pools import Pool
from gateway.snapshot import Snapshot
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.settings import Reading


class Bind(click.ParamType[Address]):
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT`` for every IPv4 address."""

    name = "host:port"

    def convert(
        self,
        value: str | Address,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Address:
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
    help="Where nginx listens.  [::] is every IPv6 address and no IPv4 one, :PORT "
    "every IPv4 address.",
)
@click.option(
    "--link", metavar="PATH", help="When ready, print a signed link of PATH as well."
)
@click.option(
    "--without-nginx",
    is_flag=True,
    help="Render nginx's files into conf of the run folder (GATEWAY_RUN), for an nginx "
    "in another container, and do not start one.",
)
@click.option(
    "--nginx-run",
    type=click.Path(file_okay=False, path_type=Path),
    callback=plain_folder,
    help="Where nginx writes its pid and temporary files; default nginx in the run "
    "folder (GATEWAY_RUN).",
)
def serve(
    *,
    bind: Address,
    link: str | None,
    without_nginx: bool,
    nginx_run: Path | None,
) -> None:
    """Serve files with nginx and gunicorn, in the foreground.

    Needs GATEWAY_FILES; makes a signing key in the data folder if
    GATEWAY_KEYS is not set.  SIGTERM drains and stops, SIGHUP reloads.
    """
    data = settings.read().settings.data
    with _only_one(data):
        # Before anything is made: a password that is shown once must not be lost.
        if not without_nginx:
            find_nginx()
        _ensure_key()
        reading = _read()
        for warning in reading.warnings:
            click.echo(f"gateway: warning: {warning}", err=True)
        if os.geteuid() == 0:
            click.echo(
                "gateway: warning: running as root; in production give it a user of "
                "its own (deploy/gateway.service)",
                err=True,
            )
        database = prepare_in_time(reading.settings, seconds=math.inf, say=_say)
        say_first_admin(make_first_admin(database, now=moments.now()))
        database.engine.dispose()
        sys.exit(_run(reading, bind, link, nginx_run, with_nginx=not without_nginx))


def _run(
    reading: Reading,
    bind: Address,
    link: str | None,
    nginx_run: Path | None,
    *,
    with_nginx: bool,
) -> int:
    current = reading.settings
    host, _ = bind
    url = current.public_url or local_url(bind)

    run = current.run or current.data / "run"
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = nginx_run or run / "nginx"
    snapshot = Snapshot()
    snapshot.replace(reading.environment)
    now = current

    def render(folder: Path) -> Path:
        named = now
        if host not in {*now.hosts, "0.0.0.0", "::", "localhost"}:  # noqa: S104
            # The address that it is bound to is a name that it answers to.
            named = now.model_copy(update={"hosts": (*now.hosts, bracketed(host))})
        return NginxConf(
            settings=named,
            listen=authority(bind),
            run=temporary,
            conf=folder,
        ).write()

    conf = LiveConf(run / "conf", render, check_conf if with_nginx else None)

    def reload() -> None:
        """Read the settings once, for nginx and for all children."""
        nonlocal now
        fresh = _read()
        now = fresh.settings
        conf.renew()
        snapshot.replace(fresh.environment)

    def announce() -> None:
        record_url(current.data, url)
        click.echo(f"Serving {current.files} on {url}")
        if link is not None and current.keys is not None:
            signer = LinkSigner(current.keys, url)
            click.echo(f"Try: curl {signer.sign(link, expires=timedelta(days=1))}")
        sys.stdout.flush()

    if current.verdict_cache is None:
        raise SettingsError(["GATEWAY_VERDICT_CACHE must be set"])
    supervisor = Supervisor(
        conf=conf,
        reload=reload,
        environment=settings.child_environment(snapshot, PYTHONUNBUFFERED="1"),
        descriptors=(snapshot.descriptor,),
        sockets={pool: current.socket(pool) for pool in Pool},
        address=bind if with_nginx else None,
        grace=current.grace,
    )
    if not with_nginx:
        return supervisor.run(on_ready=announce)
    temporary.mkdir(parents=True, exist_ok=True)
    with verdict_cache(current.verdict_cache):
        return supervisor.run(on_ready=announce)


def _say(text: str) -> None:
    click.echo(f"gateway: {text}", err=True)


def _read() -> Reading:
    return settings.read(required=("files", "keys"), embedded=True)


def _ensure_key() -> None:
    before = settings.read(embedded=True).settings
    ring = before.embedded_keys
    if before.keys is None and add_key(ring, Key.generate(), if_none=True):
        click.echo(f"Made a signing key in {ring}")


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder; raise SuperviseError if another one serves from it."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / "run").mkdir(exist_ok=True, mode=0o700)
    with (data / "run" / "lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise SuperviseError(f"another gateway is already serving from {data}")
        yield
