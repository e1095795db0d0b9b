"""Mutants: small breakages of the product, and the tests that detect them.

The files ``*.toml`` beside this module have one table for each mutant::

    [a-name-that-states-the-breakage]
    file = "gateway/links/policy.py"
    text = 'now >= claims.expires'
    instead = 'now > claims.expires'
    tests = "tests/unit/test_policy.py::test_an_expiry_is_never_forgiven"

``text`` occurs exactly once in ``file``; ``tests`` are pytest's arguments.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One breakage: ``text`` in ``file`` is replaced, and one of ``tests`` fails."""

    area: str
    name: str
    file: str
    text: str
    instead: str
    tests: str

    def applied(self, content: str) -> str:
        """Return *content* of the file with the breakage."""
        return content.replace(self.text, self.instead)

    def faults(self) -> Iterator[str]:
        """Yield the faults of the mutant: it does not fit the checkout any more."""
        path = ROOT / self.file
        found = path.read_text("utf-8").count(self.text) if path.is_file() else 0
        if found != 1:
            yield f"its text stands {found} times in {self.file}"
        if self.text == self.instead:
            yield "it changes nothing"
        nodes = [word for word in shlex.split(self.tests) if word.endswith(".py")]
        nodes += [word for word in shlex.split(self.tests) if ".py::" in word]
        if not nodes:
            yield "it names no test"
        for node in nodes:
            file, _, test = re.sub(r"\[.*\]$", "", node).partition("::")
            path = ROOT / file
            text = path.read_text("utf-8") if path.is_file() else ""
            if not text or (test and f"def {test}(" not in text):
                yield f"there is no {node}"


def read() -> list[Mutant]:
    """Return the mutants of every area, in the order of the files."""
    return [
        Mutant(area=path.stem, name=name, **fields)
        for path in sorted(Path(__file__).parent.glob("*.toml"))
        for name, fields in tomllib.loads(path.read_text("utf-8")).items()
    ]


def check(mutants: list[Mutant]) -> list[str]:
    """Return the faults of *mutants*, as lines."""
    counted = Counter(mutant.name for mutant in mutants)
    return [
        *(f"{mutant.name}: {fault}" for mutant in mutants for fault in mutant.faults()),
        *(f"{name}: is there {n} times" for name, n in counted.items() if n > 1),
    ]
