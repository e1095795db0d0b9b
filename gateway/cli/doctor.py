"""``gateway doctor``: what is wrong with a deployment, and which line mends it."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.options import JSON
from gateway.config import environment, settings
from gateway.config.address import recorded_files, recorded_url
from gateway.doctor import inside, outside
from gateway.doctor.arrival import Arrival
from gateway.doctor.client import Client
from gateway.doctor.examination import Check, Examination
from gateway.doctor.machine import Machine
from gateway.doctor.results import State
from gateway.doctor.site import Site
from gateway.doctor.target import Target
from gateway.errors import SettingsError
from gateway.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.settings import Settings
    from gateway.doctor.results import Result

_COLOURS: Final = {
    State.PASSED: "green",
    State.FOUND: "red",
    State.NOT_CHECKED: "yellow",
}
_WIDTH: Final = max(map(len, State))


class GatewayURL(click.ParamType[Target]):
    """``https://files.example.com``."""

    name = "url"

    def convert(
        self,
        value: str | Target,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Target:
        """Parse the URL, or fail with the accepted form."""
        if isinstance(value, Target):
            return value
        try:
            return Target.parse(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class Place(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``; an IPv6 address is in brackets."""

    name = "host:port"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        """Parse the text, or fail with the accepted form."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        try:
            target = Target.parse(f"http://{host}:{port}")
        except ValueError:
            target = None
        if target is None or not (host and colon and port) or target.prefix:
            self.fail(f"{value!r} is not of the form HOST:PORT", param, ctx)
        return target.host, target.port


@click.command()
@click.argument("url", type=GatewayURL(), required=False)
@click.option(
    "--connect",
    type=Place(),
    help="Connect to this address instead of the URL's host, for example before its "
    "DNS entry changes.",
)
@click.option(
    "--outside",
    "only_outside",
    is_flag=True,
    help="Look only from outside, also on the gateway's own machine.",
)
@click.option(
    "--verbose",
    is_flag=True,
    help="Also list checks that passed or could not be made, as on a terminal.",
)
@JSON
def doctor(
    *,
    url: Target | None,
    connect: tuple[str, int] | None,
    only_outside: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Look for mistakes in the deployment at URL and on this machine.

    URL is the gateway's public address; default GATEWAY_PUBLIC_URL. On the gateway's
    own machine, with its settings, the command also checks files and services, and
    signs links to test with. It changes nothing and sends no mail. It takes at most a
    minute.

    For each finding it prints a code, what is wrong, and what mends it.

    Exits with status 1 if there is a finding.
    """
    began = time.monotonic()
    deployment = _Deployment.read(url, connect, is_local=not only_outside)
    results = []
    is_verbose = verbose or sys.stdout.isatty()
    for result in deployment.results():
        results.append(result)
        if not as_json and (is_verbose or result.state is State.FOUND):
            _print(result)
    findings = [result for result in results if result.state is State.FOUND]
    if as_json:
        click.echo(json.dumps(_facts(deployment.target, results)))
    elif is_verbose or findings:
        rest = sum(result.state is State.NOT_CHECKED for result in results)
        click.echo(
            f"{deployment.target}: {len(findings)} findings, {rest} checks not made, "
            f"{time.monotonic() - began:.0f} seconds",
            err=True,
        )
    sys.exit(1 if findings else 0)


@dataclass(frozen=True)
class _Deployment:
    """What is examined, and with which settings.

    ``machine`` is None if this is not the gateway's machine; ``settings`` is None if
    the deployment is looked at only from outside.
    """

    target: Target
    client: Client
    machine: Machine | None
    settings: Settings | None

    @classmethod
    def read(
        cls, url: Target | None, connect: tuple[str, int] | None, *, is_local: bool
    ) -> _Deployment:
        """Read the settings; raise SettingsError if there is no URL."""
        reading, faults = settings.read_valid()
        current = reading.settings
        begin = _links_begin(current)
        target = url or begin
        if target is None:
            fault = f"is not set, and no gateway has run from {current.data}"
            raise SettingsError([f"GATEWAY_PUBLIC_URL: {fault}; or give the URL"])
        machine = None
        if is_local and os.access(current.data, os.R_OK | os.X_OK):
            machine = Machine(
                settings=current,
                faults=faults,
                warnings=reading.warnings,
                sources=environment.sources(current),
                clock=_now,
            )
        elif is_local and current.data.is_dir():
            user = Owner.of(current.data).name
            click.echo(
                f"gateway: warning: {current.data} can't be read; run the command as "
                f"{user} or root to check this machine, too",
                err=True,
            )
        own = current if is_local else None
        return cls(target, Client(target, connect), machine, own)

    def results(self) -> Iterator[Result]:
        examination = Examination()
        arrival = Arrival(self.client)
        yield from examination.results([Check(arrival.CODES, arrival.check)])
        if arrival.is_gateway:
            yield from examination.results(outside.checks(self._site(arrival)))
        if self.machine is not None:
            yield from examination.results(inside.checks(self.machine))

    def _site(self, arrival: Arrival) -> Site:
        current = self.settings
        if self.machine is None or current is None:
            # A host that signs links may have keys and no gateway.
            return Site(
                client=arrival.client,
                clock=_now,
                settings=current,
                are_refusals_replaced=arrival.are_refusals_replaced,
            )
        return Site(
            client=arrival.client,
            clock=_now,
            settings=current,
            links_begin=_links_begin(current),
            files=current.files or recorded_files(current.data),
            are_refusals_replaced=arrival.are_refusals_replaced,
        )


def _links_begin(current: Settings) -> Target | None:
    text = current.public_url or recorded_url(current.data)
    try:
        return None if text is None else Target.parse(text)
    except ValueError:  # the file of the recorded URL is damaged
        return None


def _now() -> float:
    return time.time()  # noqa: TID251


def _print(result: Result) -> None:
    state = click.style(f"{result.state:<{_WIDTH}}", fg=_COLOURS[result.state])
    click.echo(f"{state}  {result.code}: {result.text}")
    if result.mend:
        click.echo(f"{'':<{_WIDTH}}  {result.mend}")


def _facts(target: Target, results: list[Result]) -> dict[str, object]:
    def of(state: State) -> list[dict[str, str]]:
        return [
            {"code": each.code, "text": each.text}
            | ({"mend": each.mend} if each.mend else {})
            for each in results
            if each.state is state
        ]

    return {
        "url": str(target),
        "findings": of(State.FOUND),
        "passed": of(State.PASSED),
        "not_checked": of(State.NOT_CHECKED),
    }
