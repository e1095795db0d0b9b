"""Settings, and the strength and age of the keys."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from gateway.doctor.results import Code, found, not_checked, passed

if TYPE_CHECKING:
    from gateway.doctor.machine import Machine
    from gateway.doctor.results import Result

#: The fields that hold secrets which sign, with what rotates them.
_ROTATION: Final = {
    "keys": "gateway keys new --add, then Key rotation in docs/operations.md",
    "secret": "gateway secrets rotate, then gateway reload",
}
_SHORT: Final = re.compile(r"GATEWAY_(KEYS|SECRET): .*secret has [0-9]+ bytes")
_MINIMUM_BITS: Final = 128
#: Days after which a key is old: long enough for a rotation once a year.
_OLD: Final = 400
_DAY: Final = 86_400
_HEX: Final = re.compile(r"[0-9a-f]+")
#: Classes of characters, with their number of characters.
_CLASSES: Final = (
    (re.compile(r"[0-9]"), 10),
    (re.compile(r"[a-z]"), 26),
    (re.compile(r"[A-Z]"), 26),
    (re.compile(r"[^0-9A-Za-z]"), 2),
)

SETTINGS_CODES: Final = (Code.SETTINGS, Code.KEYS_SHORT)


def check_settings(machine: Machine) -> list[Result]:
    """Check that all settings are valid, and that no key is short."""
    short = [fault for fault in machine.faults if _SHORT.match(fault)]
    wrong = [fault for fault in machine.faults if fault not in short]
    mend = "Correct the variable; docs/settings.md describes each."
    new = "gateway keys new makes a key, and gateway secrets new a server secret."
    results = [
        *(found(Code.SETTINGS, f"{fault}.", mend) for fault in wrong),
        *(found(Code.SETTINGS, f"{text}", mend) for text in machine.warnings),
        *(found(Code.KEYS_SHORT, f"{fault}.", new) for fault in short),
        *_weak(machine),
    ]
    codes = {result.code for result in results}
    if Code.SETTINGS not in codes:
        results.append(passed(Code.SETTINGS, "The settings are valid."))
    if Code.KEYS_SHORT not in codes:
        results.append(passed(Code.KEYS_SHORT, "Keys and server secret are long."))
    return results


def _weak(machine: Machine) -> list[Result]:
    ring, secret = machine.settings.keys, machine.settings.secret
    named = {f"The key {key.id}": key.secret for key in (ring.keys if ring else ())}
    named |= {
        f"The server secret {position}": text
        for position, text in enumerate(secret.secrets if secret else (), start=1)
    }
    return [
        found(
            Code.KEYS_SHORT,
            f"{name} has at most {bits} bits, judged by its characters; "
            f"{_MINIMUM_BITS} are needed.",
            f"{_ROTATION['secret' if 'server' in name else 'keys']}.",
        )
        for name, text in named.items()
        if (bits := most_bits(text)) < _MINIMUM_BITS
    ]


def most_bits(secret: str) -> int:
    """Return how many bits a random text of this length and these characters has."""
    count = 16 if _HEX.fullmatch(secret) else 0
    count = count or sum(size for chars, size in _CLASSES if chars.search(secret))
    if secret.isdecimal():
        count = 10
    return int(len(secret) * math.log2(count))


def check_age(machine: Machine) -> list[Result]:
    """Check that keys and server secret were changed within a year or so.

    Keys have no date: a file that was not changed since has no newer key.
    """
    return [_age(machine, field, rotation) for field, rotation in _ROTATION.items()]


def _age(machine: Machine, field: str, rotation: str) -> Result:
    file = machine.sources.get(field)
    if file is None:
        reason = f"GATEWAY_{field.upper()} is not in a file, whose age would tell"
        return not_checked(Code.KEYS_OLD, reason)
    days = int(machine.clock() - file.stat().st_mtime) // _DAY
    text = f"{file} was last changed {days} days ago"
    if days > _OLD:
        fact = f"{text}: nothing in it is newer."
        return found(Code.KEYS_OLD, fact, f"{rotation}.")
    return passed(Code.KEYS_OLD, f"{text}.")
