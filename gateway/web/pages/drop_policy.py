"""What a drop link takes, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop

#: What a person can choose, and what it is called.
KINDS: Final = {
    "image/*": "pictures",
    "video/*": "videos",
    "audio/*": "sound",
    "application/pdf": "PDF",
    "text/plain": "plain text",
}


def in_words(drop: Drop) -> list[str]:
    """Return what may come; of the size, see ``size``."""
    said = []
    if drop.types:
        said.append(f"Only {_listed([KINDS.get(t, t) for t in drop.types])}.")
    if drop.left is not None:
        said.append(f"{drop.left} more {'file' if drop.left == 1 else 'files'}.")
    return said


def size(drop: Drop, upload_size: int) -> int:
    """Return the bytes that a file may have, 0 for any number."""
    return min(filter(None, (drop.max_size, drop.max_total, upload_size)), default=0)


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
