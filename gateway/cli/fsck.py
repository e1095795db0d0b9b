"""``gateway fsck``: check the catalog against the stored files."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import nullcontext
from typing import Final

import click

from gateway.cli import times
from gateway.cli.catalog import open_blobs, open_catalog_and_store, open_locks
from gateway.cli.options import JSON
from gateway.maintenance.fsck import Check
from gateway.maintenance.housekeeping import maintenance_lock
from gateway.maintenance.orphans import GRACE

_PATIENCE: Final = 60.0


@click.command()
@click.option(
    "--digest", is_flag=True, help="Also read every upload and compare its digest."
)
@click.option(
    "--repair",
    is_flag=True,
    help="Correct counters, restore blobs from the trash, move unreferenced blobs to "
    "the trash, and delete other leftovers.",
)
@click.option(
    "--grace",
    type=click.IntRange(0),
    default=GRACE,
    show_default=True,
    metavar="SECONDS",
    help="Keep files younger than this that no upload refers to; they may belong to "
    "an upload that is being stored.",
)
@JSON
def fsck(*, digest: bool, repair: bool, grace: int, as_json: bool) -> None:
    """Check that the catalog and the stored files agree.

    Prints one line for each finding. The gateway may keep running.

    Exits with status 1 if a finding was not repaired.
    """
    # The kernel sends SIGIO when another process opens a file on which this process
    # holds a lease (F_SETLEASE).
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    database, store, current = open_catalog_and_store()
    check = Check(
        database=database,
        store=store,
        blobs=open_blobs(current),
        with_digests=digest,
        is_repairing=repair,
        grace=grace,
    )
    findings = []
    locks = open_locks(current)
    lock = maintenance_lock(store, locks, patience=_PATIENCE)
    with lock if repair else nullcontext():
        for finding in check.run(now=times.now()):
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
