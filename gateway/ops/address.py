"""Where a running ``gateway serve`` can be reached, left for ``gateway sign``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "url"


def record_url(data: Path, url: str) -> None:
    """Leave *url* in the data folder."""
    (data / _FILE).write_text(f"{url}\n", "utf-8")


def recorded_url(data: Path) -> str | None:
    """Return the URL that was left last, or None."""
    try:
        return (data / _FILE).read_text("utf-8").strip()
    except OSError:
        return None
