"""``python -m tests.mutants [NAME...]``: break a copy of the checkout, and test it.

One mutant after another is put into the copy, and its tests must fail: a test must
fail, not the collection or a fixture.  Before that, the same tests must pass in the
unchanged copy.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from tests.mutants import ROOT, Mutant, check, read

#: Seconds that one run of tests may take.
_SECONDS: Final = 1800
#: Seconds that one test may take: this also catches a mutant that never ends.
_TEST_SECONDS: Final = 100
#: Fails if a live test would not start the copy's gateway.
_COPY_IS_RUN: Final = (
    "tests/live/test_serve.py::test_the_stack_runs_the_checkout_of_its_tests"
)
_LEFT_OUT: Final = (".git", ".*_cache", ".hypothesis", "__pycache__", "var")
#: Shared with the copy, since nothing in them changes.
_SHARED: Final = (".venv", "node_modules")


@dataclass(frozen=True)
class Copy:
    """A copy of the checkout, whose package and templates the tests use."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Copy:
        """Copy the checkout, with uncommitted changes, to *root*."""
        ignored = shutil.ignore_patterns(*_LEFT_OUT, *_SHARED)
        shutil.copytree(ROOT, root, symlinks=True, ignore=ignored)
        for name in _SHARED:
            (root / name).symlink_to(ROOT / name)
        return cls(root)

    def failing(self, tests: str) -> str | None:
        """Run *tests*; return the first that fails, or None if all pass.

        Raise click.ClickException if they can't be run.
        """
        options = ("-x", "-q", "-p", "no:randomly", f"--timeout={_TEST_SECONDS}")
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *shlex.split(tests)],
            cwd=self.root,
            # Also for the commands that tests start in other folders.
            env={**os.environ, "PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        ) as run:
            try:
                output, _ = run.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                output = f"not done within {_SECONDS} s"
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
        if run.returncode == 0:
            return None
        failed = re.search(r"^FAILED (.+?)(?: - |$)", output, re.MULTILINE)
        if run.returncode == 1 and failed:
            return failed[1]
        raise click.ClickException(f"pytest {tests}:\n{output[-4000:]}")

    def caught_by(self, mutant: Mutant) -> str | None:
        """Return the test that fails with *mutant*, or None if it survives."""
        path = self.root / mutant.file
        path.write_text(mutant.applied(path.read_text("utf-8")), "utf-8")
        try:
            return self.failing(mutant.tests)
        except click.ClickException as error:
            click.echo(f"{mutant.name}: {error.message}", err=True)
            return None
        finally:
            # Restore the modification time, too: else Python would use the mutant's
            # compiled form.
            shutil.copy2(ROOT / mutant.file, path)


def together(mutants: list[Mutant]) -> list[str]:
    """Return the tests of all *mutants*; tests with the same options share a run."""
    nodes: dict[str, dict[str, None]] = {}
    for mutant in mutants:
        names, dash, options = mutant.tests.partition(" -")
        nodes.setdefault(dash + options, {})[names] = None
    return [" ".join(names) + options for options, names in nodes.items()]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--check", "is_check", is_flag=True, help="Check the data, run nothing.")
def main(*, names: tuple[str, ...], is_check: bool) -> None:
    """Run the mutants of these names or areas, or all of them."""
    mutants = read()
    faults = check(mutants)
    if unknown := set(names) - {word for m in mutants for word in (m.name, m.area)}:
        faults.append(f"no mutant or area is called {', '.join(sorted(unknown))}")
    if faults:
        raise click.ClickException("\n".join(faults))
    if is_check:
        return
    chosen = [m for m in mutants if not names or {m.name, m.area} & set(names)]
    survivors = 0
    # The copy is removed in this case, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy.make(Path(folder) / "copy")
        for tests in (_COPY_IS_RUN, *together(chosen)):
            if failed := copy.failing(tests):
                raise click.ClickException(f"{failed} fails without a mutant")
        click.echo("| mutant | caught by | seconds |\n| --- | --- | ---: |")
        for mutant in chosen:
            began = time.monotonic()
            caught = copy.caught_by(mutant)
            survivors += caught is None
            row = f"| {mutant.area}/{mutant.name} | {caught or '**none**'}"
            click.echo(f"{row} | {time.monotonic() - began:.1f} |")
    click.echo(f"{len(chosen)} mutants, {survivors} survive", err=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
