"""What ``gateway serve --guide`` prints for somebody who tries the gateway."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import ClaimsError
from gateway.links import LinkSigner
from gateway.runtime.prepare import FIRST_ADMIN
from gateway.storage.paths import FilePath
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.storage.tree import FoundFile

#: Files of the tree that are looked at for one to try.
_MOST: Final = 20


def guide(current: Settings, url: str) -> str:
    """Return where to log in, a link to try, how to sign files, and how to stop.

    *url* is where the gateway serves; ``keys`` and ``files`` must be set.
    """
    lines = [("Log in", f"{url}/login{_as_whom(current)}")]
    found = _file(current)
    if found is not None and current.keys is not None:
        path = found.path.text
        # A restricted key may not sign this file.
        with suppress(ClaimsError):
            link = LinkSigner(current.keys, url).sign(path, expires=timedelta(days=1))
            lines.append(("Try", f"curl {link}"))
        program = shlex.quote(_short(Path(sys.argv[0])))
        lines += [
            ("Sign", f"{program} sign {shlex.quote(path)} --expires 1h"),
            ("", f"for any file in {_short(current.files or Path())}"),
        ]
    keys = current.embedded_keys
    where = f"the key in {_short(keys)}" if keys.exists() else "GATEWAY_KEYS"
    lines += [
        ("Your site", f"signs with {where}, see README.md"),
        ("Stop", "Ctrl-C"),
    ]
    return "\n".join(f"  {name:<11}{text}" for name, text in lines)


def _as_whom(current: Settings) -> str:
    if not current.first_password.exists():
        return ""
    where = _short(current.first_password)
    return f" as {FIRST_ADMIN}, with the password in {where}"


def _file(current: Settings) -> FoundFile | None:
    """Return a small file of the tree, or None if none is found soon."""
    if current.files is None:
        return None
    found = FilesTree(current.files).below(FilePath(""), most=_MOST)
    return min(found, key=lambda file: file.size, default=None)


def _short(path: Path) -> str:
    """Return *path* as a shell in this folder needs it."""
    below = os.path.relpath(path)
    return str(path) if below.startswith("..") else below
