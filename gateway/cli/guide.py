"""The first steps that ``gateway serve --guide`` prints for a new user."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.delivery.served_files import served_files
from gateway.errors import BucketBusyError, ClaimsError
from gateway.links import LinkSigner
from gateway.runtime.prepare import FIRST_ADMIN
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.storage.files import FoundFile
    from gateway.storage.places import Places

#: Files of the tree to consider for the example link.
_MAXIMUM_FILES: Final = 20


def guide(current: Settings, url: str) -> str:
    """Return the login URL, an example link, and how to sign files and to stop.

    *url* is the gateway's address; ``keys`` and ``files`` must be set.
    """
    lines = [("Log in", f"{url}/login{_login_hint(current)}")]
    example = _example_file(current)
    if example is not None and current.keys is not None:
        path = example.path.text
        # A restricted key may not be allowed to sign this file.
        with suppress(ClaimsError):
            link = LinkSigner(current.keys, url).sign(path, expires=timedelta(days=1))
            lines.append(("Try", f"curl {link}"))
        program = shlex.quote(_short(Path(sys.argv[0])))
        lines += [
            ("Sign", f"{program} sign {shlex.quote(path)} --expires 1h"),
            ("", f"for any file in {_where(current.files)}"),
        ]
    keys = current.embedded_keys
    where = f"the key in {_short(keys)}" if keys.exists() else "GATEWAY_KEYS"
    lines += [
        ("Your site", f"signs URLs with {where}, see README.md"),
        ("Stop", "Ctrl-C"),
    ]
    return "\n".join(f"  {name:<11}{text}" for name, text in lines)


def _login_hint(current: Settings) -> str:
    if not current.first_password.exists():
        return ""
    where = _short(current.first_password)
    return f" as {FIRST_ADMIN}, with the password in {where}"


def _example_file(current: Settings) -> FoundFile | None:
    """Return the smallest of the first few files of the tree, or None."""
    if current.files is None:
        return None
    served = served_files(current.files, current.bucket_server)
    try:
        files = served.below(FilePath(""), most=_MAXIMUM_FILES)
    except BucketBusyError:
        return None
    return min(files, key=lambda file: file.size, default=None)


def _where(places: Places | None) -> str:
    """Return the places as a user would write them."""
    if places is None:
        return "."
    [first, *more] = places.listed
    if isinstance(first.root, Path) and not more:
        return _short(first.root)
    return str(places)


def _short(path: Path) -> str:
    """Return *path* relative to the current folder, if it lies below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
