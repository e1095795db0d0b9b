"""``gateway serve``: nginx, gunicorn and housekeeping in the foreground."""

from __future__ import annotations

import math
import os
import re
import sys
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway import ownership
from gateway.cli import times
from gateway.cli.catalog import open_locks, open_store
from gateway.cli.db import print_first_password
from gateway.cli.guide import guide as guide_text
from gateway.cli.keys import add_key
from gateway.cli.nginx_conf import plain_folder
from gateway.cli.secrets import ensure_secret
from gateway.config import environment, settings
from gateway.config.address import (
    Address,
    authority,
    bracketed,
    check_free,
    local_url,
    record_files,
    record_url,
)
from gateway.config.fields import check_socket
from gateway.config.snapshot import Snapshot
from gateway.errors import SettingsError
from gateway.http.pools import Pool
from gateway.links import Key
from gateway.runtime import instance
from gateway.runtime.ledger_file import SCRIPT, LedgerFile
from gateway.runtime.live_conf import (
    LiveConf,
    check_conf,
    find_nginx,
    require_module,
)
from gateway.runtime.metrics_folder import metrics_folder
from gateway.runtime.prepare import (
    make_first_admin,
    prepare_with_retries,
    require_writable,
)
from gateway.runtime.rendering import (
    AUTHORIZE_SOCKET,
    HEADERS_MORE,
    STORE_SOCKET,
    NginxConf,
)
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.upstream_names import UpstreamNames
from gateway.runtime.verdict_cache import verdict_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.settings import Reading, Settings
    from gateway.origin import Origin


class Bind(click.ParamType[Address]):
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT`` for every IPv4 address."""

    name = "host:port"

    def convert(
        self,
        value: str | Address,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Address:
        """Parse the text, or fail with the accepted form."""
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
    help="Listen here. :PORT means all IPv4 addresses, [::]:PORT all IPv6 addresses "
    "but no IPv4 address.",
)
@click.option(
    "--guide",
    is_flag=True,
    help="When ready, print the login URL, an example link, and how to sign URLs.",
)
@click.option(
    "--without-nginx",
    is_flag=True,
    help="Do not start nginx; write its configuration to GATEWAY_RUN/conf for an nginx "
    "in another container.",
)
@click.option(
    "--nginx-run",
    type=click.Path(file_okay=False, path_type=Path),
    callback=plain_folder,
    help="Folder for nginx's pid and temporary files; default GATEWAY_RUN/nginx.",
)
def serve(
    *,
    bind: Address,
    guide: bool,
    without_nginx: bool,
    nginx_run: Path | None,
) -> None:
    """Run nginx, gunicorn and housekeeping in the foreground.

    GATEWAY_FILES must be set. If GATEWAY_KEYS or GATEWAY_SECRET is not set, a signing
    key or a server secret is created in the data folder. SIGTERM finishes running
    requests and stops; SIGHUP reloads the settings.
    """
    # First check that the gateway can start; only then create or print anything.
    before = settings.read(required=("files",), embedded=True).settings
    if not without_nginx:
        find_nginx()
        if before.bucket_server is not None:
            require_module(HEADERS_MORE)
        check_free(bind)
        if before.authorize is not None:
            _check_authorize_socket(nginx_run or (before.run or before.data) / "nginx")
    require_writable(before, with_nginx=not without_nginx, nginx_run=nginx_run)
    with instance.hold(before.data):
        _ensure_secrets(before)
        reading = _read()
        for warning in reading.warnings:
            click.echo(f"gateway: warning: {warning}", err=True)
        if os.geteuid() == 0:
            click.echo(
                "gateway: warning: running as root; in production run the gateway as a "
                "separate user (deploy/gateway.service)",
                err=True,
            )
        database = prepare_with_retries(reading.settings, seconds=math.inf, log=_say)
        first = reading.settings.first_password
        if make_first_admin(database, first, now=times.now()):
            print_first_password(first)
        database.engine.dispose()
        with instance.hold_name(open_store(reading.settings)):
            _require_name(reading.settings)
            sys.exit(
                _run(
                    reading,
                    bind,
                    nginx_run,
                    with_guide=guide,
                    with_nginx=not without_nginx,
                )
            )


def _run(
    reading: Reading,
    bind: Address,
    nginx_run: Path | None,
    *,
    with_guide: bool,
    with_nginx: bool,
) -> int:
    current = reading.settings
    host, _ = bind
    url = current.public_url or local_url(bind)

    run = current.run or current.data / "run"
    ownership.make_folder(run, None)
    temporary = nginx_run or run / "nginx"
    store = open_store(current)
    snapshot = Snapshot()
    snapshot.replace(reading.environment)
    latest = _Latest(current)

    def render(folder: Path) -> Path:
        with_host = latest.settings
        hosts = with_host.hosts
        if host not in {*hosts, "0.0.0.0", "::", "localhost"}:  # noqa: S104
            # The bound address is also an accepted Host.
            hosts = (*hosts, bracketed(host))
            with_host = with_host.model_copy(update={"hosts": hosts})
        return NginxConf(
            settings=with_host,
            listen=authority(bind),
            run=temporary,
            conf=folder,
            spool=store.spool,
            byte_cache=store.byte_cache,
            ledger=store.ledger,
        ).write()

    conf = LiveConf(run / "conf", render, check_conf if with_nginx else None)

    def reload() -> None:
        """Reread the settings once, for nginx and for all children."""
        fresh = _read()
        _check_unchanged(current, fresh.settings)
        with latest.replaced(fresh.settings):
            conf.renew()
        snapshot.replace(fresh.environment)

    def announce() -> None:
        record_url(current.data, url)
        if current.files is not None:
            record_files(current.data, current.files)
        click.echo(f"Serving {current.files} on {url}")
        if with_guide:
            click.echo(f"\n{guide_text(current, url)}\n")
        sys.stdout.flush()

    if current.verdict_cache is None:
        raise SettingsError(["GATEWAY_VERDICT_CACHE must be set"])
    supervisor = Supervisor(
        conf=conf,
        reload=reload,
        environment=environment.child_environment(snapshot, PYTHONUNBUFFERED="1"),
        descriptors=(snapshot.descriptor,),
        sockets={pool: current.socket(pool) for pool in Pool},
        address=bind if with_nginx else None,
        names=UpstreamNames(lambda: _upstream_servers(latest.settings)),
        grace=current.grace,
        ledger=LedgerFile(store.ledger, conf.path.with_name(SCRIPT)),
        on_reload=partial(instance.record_reload, current.data),
    )
    with ExitStack() as stack:
        stack.enter_context(metrics_folder(current.metrics_folder))
        if with_nginx:
            temporary.mkdir(parents=True, exist_ok=True)
            # nginx does not replace the socket of an nginx that was killed.
            for socket in (AUTHORIZE_SOCKET, STORE_SOCKET):
                (temporary / socket).unlink(missing_ok=True)
            stack.enter_context(verdict_cache(current.verdict_cache, run))
        return supervisor.run(on_ready=announce)


@dataclass
class _Latest:
    """The settings of nginx's live configuration."""

    settings: Settings

    @contextmanager
    def replaced(self, fresh: Settings) -> Iterator[None]:
        """Replace the settings by *fresh*, unless the block raises."""
        before, self.settings = self.settings, fresh
        try:
            yield
        except BaseException:
            self.settings = before
            raise


def _require_name(current: Settings) -> None:
    """Raise SuperviseError if two gateways of the catalog have the same name."""
    locks = open_locks(current)
    if locks is not None:
        with closing(locks):
            instance.require_name(locks, open_store(current).replica, log=_say)


def _upstream_servers(chosen: Settings) -> list[Origin]:
    """Return the servers whose names nginx resolves."""
    bucket, site = chosen.bucket_server, chosen.authorize
    return [
        *([bucket.endpoint] if bucket is not None else []),
        *([site.origin] if site is not None else []),
    ]


def _check_authorize_socket(folder: Path) -> None:
    """Raise SettingsError if nginx can't listen in its run *folder*."""
    try:
        check_socket(folder / AUTHORIZE_SOCKET)
    except ValueError as error:
        raise SettingsError([f"GATEWAY_AUTHORIZE: {error}"]) from None


#: What only a start can change.
_FIXED: Final = ("blobs", "replica", "store")


def _check_unchanged(before: Settings, after: Settings) -> None:
    """Raise SettingsError if a setting was changed that only a start can change."""
    faults = [
        f"{name}: a change needs a restart"
        for name, field in settings.describe().items()
        if field in _FIXED and getattr(before, field) != getattr(after, field)
    ]
    if faults:
        raise SettingsError(faults)


def _say(text: str) -> None:
    click.echo(f"gateway: {text}", err=True)


def _read() -> Reading:
    return settings.read(required=("files", "keys", "secret"), embedded=True)


def _ensure_secrets(before: Settings) -> None:
    ring, secret = before.embedded_keys, before.embedded_secret
    if before.keys is None and add_key(ring, Key.generate(), if_none=True):
        click.echo(f"Made a signing key in {ring}")
    if before.secret is None and ensure_secret(secret):
        click.echo(f"Made a server secret in {secret}")
