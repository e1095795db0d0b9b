"""A Python process that runs the gateway's commands, here or in a container.

A new process per command, with its imports, took half of the live tests' time.  The
process runs this file, also in a container, so it imports no other test module.
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
    """Runs commands one after another; *start* is the command that starts Python."""

    def __init__(self, *start: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [*start, "-c", SOURCE],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Run a command that must succeed; return its output, stdout and stderr."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the shell has exited"
        status, output = json.loads(answer)
        assert status == 0, f"{command}:\n{output}"
        return str(output)

    def close(self) -> None:
        self._process.communicate()


def serve() -> None:
    """Run the command of each input line in a child; answer [status, output]."""
    from gateway.cli import COMMANDS  # noqa: PLC0415

    for place in COMMANDS.values():  # import once, not in each child
        import_module(f"gateway.cli.{place.partition(':')[0]}")
    gc.freeze()  # garbage collection in a child would copy these pages
    for line in sys.stdin:
        with os.fdopen(os.memfd_create("output"), "w+b") as file:
            arguments = (json.loads(line), file.fileno())
            child = get_context("fork").Process(target=become, args=arguments)
            child.start()
            child.join()
            file.seek(0)
            output = file.read().decode(errors="replace")
        sys.stdout.write(json.dumps([child.exitcode, output]) + "\n")
        sys.stdout.flush()


def become(command: list[str], output: int) -> None:
    """Replace this process by *command*, with its output in *output*."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    if command[0] != "gateway":
        os.execvp(command[0], command)  # noqa: S606
    from gateway.__main__ import main  # noqa: PLC0415

    sys.argv = command
    main()


if __name__ == "__main__":
    serve()
