"""The limits of a drop link, as text for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop

#: The media types that the form offers, with their labels.
TYPE_LABELS: Final = {
    "image/*": "images",
    "video/*": "videos",
    "audio/*": "audio",
    "application/pdf": "PDF",
    "text/plain": "plain text",
}


def sentences(drop: Drop) -> list[str]:
    """Return the limits on types and number; for the size, see ``maximum_size``."""
    limits = []
    if drop.types:
        labels = [TYPE_LABELS.get(t, t) for t in drop.types]
        limits.append(f"Accepts only {_enumeration(labels)}.")
    if drop.left is not None:
        files = "file" if drop.left == 1 else "files"
        limits.append(f"Up to {drop.left} more {files}.")
    return limits


def maximum_size(drop: Drop, upload_size: int) -> int:
    """Return the maximum size of a file in bytes, 0 for no limit."""
    return min(filter(None, (drop.max_size, drop.max_total, upload_size)), default=0)


def _enumeration(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
