"""``gateway fsck``: compare catalog and disk."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import nullcontext
from typing import Final

import click

from gateway.cli import moments
from gateway.cli.catalog import open_catalog, open_store
from gateway.maintenance.fsck import Check
from gateway.maintenance.housekeeping import maintenance_lock
from gateway.maintenance.orphans import GRACE

_PATIENCE: Final = 60.0


@click.command()
@click.option("--digest", is_flag=True, help="Read every byte of every upload.")
@click.option(
    "--repair",
    is_flag=True,
    help="Set counters right, put blobs back from the trash, move those that no "
    "upload names there, and delete other leftovers.",
)
@click.option(
    "--grace",
    type=click.IntRange(0),
    default=GRACE,
    show_default=True,
    metavar="SECONDS",
    help="How old a file has to be that no upload names; uploads that are being "
    "stored have such files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fsck(*, digest: bool, repair: bool, grace: int, as_json: bool) -> None:
    """Compare catalog and disk both ways; it may run while the gateway serves.

    One line for each finding.  Status 1 when something is wrong and stays so.
    """
    # It comes when another process opens a file that is just checked for that.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    database, current = open_catalog()
    store = open_store(current)
    check = Check(
        database=database,
        store=store,
        with_digests=digest,
        is_repairing=repair,
        grace=grace,
    )
    findings = []
    with maintenance_lock(store, patience=_PATIENCE) if repair else nullcontext():
        for finding in check.run(now=moments.now()):
            findings.append(finding)
            if not as_json:
                state = " (repaired)" if finding.is_repaired else ""
                click.echo(f"{finding.kind} {finding.subject}: {finding.detail}{state}")
    if as_json:
        rows = [vars(finding) for finding in findings]
        click.echo(json.dumps({"findings": rows, "looked_at": vars(check.tally)}))
    else:
        click.echo(_summary(check, len(findings)), err=True)
    sys.exit(0 if all(finding.is_repaired for finding in findings) else 1)


def _summary(check: Check, findings: int) -> str:
    tally = check.tally
    read = f", {tally.digests} of them read" if check.with_digests else ""
    unknown = f", {tally.unknown} without a digest yet" if tally.unknown else ""
    return (
        f"{tally.uploads} uploads with {tally.bytes} bytes{read}{unknown}; "
        f"{findings} findings"
    )
