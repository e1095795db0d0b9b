"""Environment variables as text; the value may also be in a file.

The environment is an argument: only ``settings`` reads the process's environment.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pydantic import ValidationError

#: ``GATEWAY_X_FILE`` is the path of the file that contains ``GATEWAY_X``.
FILE_SUFFIX: Final = "_FILE"
_PREFIX: Final = "GATEWAY_"
_KEY_HINT: Final = (
    "; set GATEWAY_BUCKET_KEY_ID and GATEWAY_BUCKET_SECRET, or neither for the "
    "provider's own credentials"
)
_HINTS: Final = {
    "bucket_key_id": _KEY_HINT,
    "bucket_secret": _KEY_HINT,
    "keys": "; make a key with: gateway keys new",
    "secret": "; make one with: gateway secrets new",
    "files": "; set it to the folder whose files are served",
    "pool": "; set it to verdicts or app, the pool of this gunicorn",
    "mail_url": "; set it to your mail relay, as in "
    "smtp://user:password@relay.example.com:587",
    "mail_from": "; set it to the sender of mails, as in Files <files@example.com>",
    "public_url": "; set it to the gateway's address, as in https://files.example.com",
}
#: Removed settings, each with the field that replaces it, and a hint.
_REMOVED: Final = {
    "socket": ("run", "set GATEWAY_RUN to the folder of both pools' sockets"),
}


def variable(field: str) -> str:
    """Return the environment variable of a setting's field."""
    return _PREFIX + field.upper()


def value(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of *name*, or of its file; None if neither is set.

    Raise ValueError, whose text starts with the variable's name, if both are set, or if
    the text is not UTF-8 or can't be read.
    """
    text = environ.get(name) or None
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: is not UTF-8 text") from None
    file = environ.get(name + FILE_SUFFIX) or None
    if file is None:
        return text
    if text is not None:
        raise ValueError(f"{name}: set it or {name}{FILE_SUFFIX}, not both")
    try:
        return content(Path(file)) or None
    except ValueError as error:
        raise ValueError(f"{name}{FILE_SUFFIX}: {error}") from None


def content(file: Path) -> str:
    """Return the stripped text of *file*; raise ValueError if it can't be read."""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ValueError(f"{file}: {reason}") from None


def misspelt(environ: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """Yield a warning for each variable that is probably a misspelt setting.

    Kubernetes sets variables such as GATEWAY_SERVICE_HOST for a service named gateway:
    an unknown variable is no fault, only a near miss causes a warning.
    """
    names = {f"{name}{end}" for name in known for end in ("", FILE_SUFFIX)}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
            if near:
                yield f"{name} is not a setting; did you mean {near[0]}?"


def removed(environ: Mapping[str, str], fields: Collection[str]) -> Iterator[str]:
    """Yield a fault for each removed setting that is set, if its successor is read."""
    for field, (successor, hint) in _REMOVED.items():
        name = variable(field)
        is_set = any(environ.get(name + end) for end in ("", FILE_SUFFIX))
        if is_set and successor in fields:
            yield f"{name}: this setting was removed; {hint}"


def missing(
    required: Iterable[str],
    values: Mapping[str, str],
    faults: Iterable[str],
    hints: Mapping[str, str],
) -> list[str]:
    """Return a fault for each required field that has neither a value nor a fault.

    A fault ends with the field's hint; *hints* override the default ones.
    """
    hints = {**_HINTS, **hints}
    faulty = faulty_names(faults)
    return [
        f"{variable(field)}: is not set{hints.get(field, '')}"
        for field in required
        if field not in values and variable(field) not in faulty
    ]


def faulty_names(faults: Iterable[str]) -> set[str]:
    """Return the names of the variables that have a fault."""
    return {fault.partition(":")[0].removesuffix(FILE_SUFFIX) for fault in faults}


def validation_faults(error: ValidationError) -> list[str]:
    """Return a fault for each of pydantic's validation errors."""
    return [
        f"{variable(str(detail['loc'][0]) if detail['loc'] else 'data')}: "
        f"{detail['msg'].removeprefix('Value error, ')}"
        for detail in error.errors(include_input=False, include_url=False)
    ]
