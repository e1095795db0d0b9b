"""Texts that make a regular expression slow, for each of its repeats.

A backtracking matcher spends its time at repeats.  For each repeat there is a text that
begins with a match of everything before the repeat, continues with text that the repeat
matches, and ends with text that the rest of the expression does not match.
"""

from __future__ import annotations

import importlib
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Python has no public name for the parser of its `re`.
_parser: Any = importlib.import_module("re._parser")

#: Ends that an expression may not match: an empty text, not ASCII, a line end.
TAILS: Final = ("", "\x80", "\n")
_REPEATS: Final = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_CHARACTERS: Final = {"LITERAL", "NOT_LITERAL", "ANY", "IN"}
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
#: A repeat with a lower maximum can't take much time.
_FEW: Final = 8
#: Maximum number of texts of a repeated group.
_SAMPLES: Final = 8


@dataclass(frozen=True)
class Pump:
    """A text of any length: *start*, repeated *unit*, *tail*."""

    start: str
    unit: str
    tail: str


def pumps(pattern: str, flags: int = 0) -> list[Pump]:
    """Return the texts for *pattern*, of Python or PCRE."""
    tree = list(
        _parser.parse(pattern.replace("(?<", "(?P<").replace("(?P<!", "(?<!"), flags)
    )
    alphabet = sorted({*_letters(tree), " ", "a", "\x80"})
    runs = [run for run in _runs(tree) if len(run) > 1]
    found = {
        Pump(start, unit, tail)
        for start, repeated in _repeats(tree, "")
        for unit in _units(repeated, alphabet, runs)
        for tail in TAILS
    }
    return sorted(found, key=str)


def _repeats(items: Iterable[Any], start: str) -> Iterator[tuple[str, list[Any]]]:
    """Return the repeated part of each repeat, with a text that matches up to it."""
    for item in items:
        if item[0].name in _REPEATS and item[1][1] > _FEW:
            yield start, list(item[1][2])
        for inner in _inner(item):
            yield from _repeats(inner, start)
        start += next(_samples([item]), "")


def _inner(item: Any) -> list[list[Any]]:
    """Return the expressions in an expression."""
    operation, value = item[0].name, item[1]
    if operation in _REPEATS:
        return [list(value[2])]
    if operation == "SUBPATTERN":
        return [list(value[3])]
    if operation == "BRANCH":
        return [list(inner) for inner in value[1]]
    if operation == "ATOMIC_GROUP":
        return [list(value)]
    if operation in {"ASSERT", "ASSERT_NOT"}:
        return [list(value[1])]
    return []


def _samples(items: list[Any]) -> Iterator[str]:
    """Return short texts that match, one for each alternative."""
    ways = [list(itertools.islice(_ways(item), _SAMPLES)) for item in items]
    return map("".join, itertools.product(*ways))


def _ways(item: Any) -> Iterator[str]:
    operation, value = item[0].name, item[1]
    if operation in _CHARACTERS:
        yield next(
            c for c in [*_letters([item]), *map(chr, range(128))] if _takes(item, c)
        )
    elif operation in _REPEATS:
        least = value[0]
        yield from (text * least for text in _samples(list(value[2])))
        if least == 0:
            yield from _samples(list(value[2]))
    elif operation.startswith("ASSERT") or operation == "AT":
        yield ""
    else:
        for inner in _inner(item):
            yield from _samples(inner)


def _units(repeated: list[Any], alphabet: list[str], runs: list[str]) -> Iterator[str]:
    """Return texts that a repeat matches, of letters and words in the expression."""
    if len(repeated) == 1 and repeated[0][0].name in _CHARACTERS:
        for text in [*alphabet, *runs]:
            if all(_takes(repeated[0], letter) for letter in text):
                yield text
    else:
        yield from filter(None, itertools.islice(_samples(repeated), _SAMPLES))


def _letters(items: Iterable[Any]) -> Iterator[str]:
    """Return the letters in the expression, including the ends of its ranges."""
    for item in items:
        operation, value = item[0].name, item[1]
        if operation in {"LITERAL", "NOT_LITERAL"}:
            yield chr(value)
        elif operation == "RANGE":
            yield from map(chr, value)
        elif operation == "IN":
            yield from _letters(value)
        for inner in _inner(item):
            yield from _letters(inner)


def _runs(items: list[Any]) -> Iterator[str]:
    """Return the words in the expression."""
    for is_word, some in itertools.groupby(items, lambda i: i[0].name == "LITERAL"):
        if is_word:
            yield "".join(chr(item[1]) for item in some)
        else:
            for item in some:
                for inner in _inner(item):
                    yield from _runs(inner)


def _takes(item: Any, letter: str) -> bool:
    """Tell whether a character class of an expression matches *letter*."""
    operation, value = item[0].name, item[1]
    code = ord(letter)
    if operation == "LITERAL":
        return bool(code == value)
    if operation == "NOT_LITERAL":
        return bool(code != value)
    if operation == "RANGE":
        return bool(value[0] <= code <= value[1])
    if operation == "CATEGORY":
        return re.match(_CATEGORIES[value.name], letter) is not None
    if operation == "IN":
        is_negated = value[0][0].name == "NEGATE"
        is_among = any(_takes(member, letter) for member in value[is_negated:])
        return bool(is_negated) != is_among
    return letter != "\n"
