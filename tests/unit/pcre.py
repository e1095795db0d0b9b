"""The number of steps that PCRE needs to match, as counted by pcre2test.

nginx uses PCRE.  Python's matcher backtracks in the same way, so the count is valid for
Python's expressions, too.
https://www.pcre.org/current/doc/html/pcre2test.html
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.pumps import Pump

#: Switches off PCRE's optimisations: they hide the cost for a plain matcher.
_PLAIN: Final = "no_auto_possess,no_start_optimize,no_dotstar_anchor"
_OUTCOME: Final = re.compile(r"^(?: 0:|No match|Failed: error (-\d+))", re.MULTILINE)
_LIMIT_PASSED: Final = "-47"


@dataclass(frozen=True)
class Expression:
    """A pattern of nginx or Python, and how it is matched.

    With *is_whole* it must match the whole text, with *is_anchored* its start.
    """

    where: str
    pattern: str
    flags: int = 0
    is_anchored: bool = False
    is_whole: bool = False

    @property
    def searched(self) -> str:
        """An equivalent pattern that is matched only once, at the text's start.

        PCRE counts separately at each position where a match may begin.  This pattern
        can skip the text before a match, so its steps are the sum for all positions.
        """
        skipped = "" if self.is_anchored or self.is_whole else "(?s:.)*?"
        end = r"\z" if self.is_whole else ""
        # A final \K drops the matched text from the output.
        pattern = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", self.pattern)
        return rf"\A{skipped}(?:{pattern}){end}\K"

    @property
    def modifiers(self) -> str:
        """The pattern's flags in pcre2test's syntax."""
        known = {
            re.IGNORECASE: "caseless",
            re.DOTALL: "dotall",
            re.MULTILINE: "multiline",
        }
        names = [name for flag, name in known.items() if self.flags & flag]
        # A text consists of characters in Python, of bytes in nginx and in a file.
        is_of_bytes = self.searched.isascii() and r"\x{" not in self.searched
        return ",".join(names if is_of_bytes else [*names, "utf"])


def is_enough(
    expression: Expression, texts: Sequence[tuple[Pump, int]], limit: int
) -> list[bool]:
    """Tell for each text of that length if it takes *limit* steps per character."""
    lines = [
        f"{_subject(pump, size)}\\=match_limit={limit * size}" for pump, size in texts
    ]
    outcomes = _outcomes(expression, lines, _PLAIN)
    assert set(outcomes) <= {"", _LIMIT_PASSED}
    return [outcome == "" for outcome in outcomes]


def faults(expression: Expression, texts: Sequence[tuple[Pump, int]]) -> list[str]:
    """Return the errors of the compiled pattern, which has a small stack."""
    lines = [_subject(pump, size) for pump, size in texts]
    return list(filter(None, _outcomes(expression, lines, "jit")))


def _subject(pump: Pump, size: int) -> str:
    times = max(1, (size - len(pump.start) - len(pump.tail)) // len(pump.unit))
    repeated = f"\\[{_escaped(pump.unit)}]{{{times}}}"
    return f"{_escaped(pump.start)}{repeated}{_escaped(pump.tail)}"


def _escaped(text: str) -> str:
    return "".join(rf"\x{{{ord(letter):x}}}" for letter in text)


def _outcomes(expression: Expression, lines: list[str], modifiers: str) -> list[str]:
    """Return each text's error number, or an empty text."""
    chosen = ",".join(filter(None, ["hex", expression.modifiers, modifiers]))
    script = [f"/{expression.searched.encode().hex()}/{chosen}", *lines, ""]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script")
        path.write_text("\n".join(script) + "\n", "ascii")
        done = subprocess.run(
            ["pcre2test", "-q", path], capture_output=True, check=True
        )
    output = done.stdout.decode("latin-1")
    found: list[str] = _OUTCOME.findall(output)
    assert len(found) == len(lines), output[:2000]
    return found
