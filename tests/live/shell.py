"""A Python that is started once where the gateway runs, and runs commands there.

Starting one for each command, and importing what it needs, was half of what the
live tests took.  The child runs this very file, in a container too: it knows
nothing of the tests.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).read_text("utf-8") if "__file__" in globals() else ""


class Shell:
    """Runs commands one after another; *start* is how Python is started there."""

    def __init__(self, *start: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [*start, "-c", SOURCE],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Return what the command prints, on stdout and stderr; it must not fail."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the shell has ended"
        status, said = json.loads(answer)
        assert status == 0, f"{command}:\n{said}"
        return str(said)

    def close(self) -> None:
        self._process.communicate()


def serve() -> None:
    """Run the command of each line in a child; answer with its status and words."""
    from gateway.cli import COMMANDS  # noqa: PLC0415

    for place in COMMANDS.values():  # so that no child has to
        import_module(f"gateway.cli.{place.partition(':')[0]}")
    gc.freeze()  # a child that looked for garbage there would copy all of it
    for line in sys.stdin:
        with os.fdopen(os.memfd_create("said"), "w+b") as said:
            work = (json.loads(line), said.fileno())
            child = get_context("fork").Process(target=become, args=work)
            child.start()
            child.join()
            said.seek(0)
            words = said.read().decode(errors="replace")
        sys.stdout.write(json.dumps([child.exitcode, words]) + "\n")
        sys.stdout.flush()


def become(command: list[str], output: int) -> None:
    """Run *command* in place of this process."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    if command[0] != "gateway":
        os.execvp(command[0], command)  # noqa: S606
    from gateway.__main__ import main  # noqa: PLC0415

    sys.argv = command
    main()


if __name__ == "__main__":
    serve()
