"""The operator's name, colour and logo, and the static files that contain them.

The files are rendered here for both nginx, which serves them, and Flask, whose URLs
contain a hash of their content.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.config.assets import asset

#: Static files rendered from templates; all others are copied from ``web/static``.
_RENDERED: Final = ("style.css", "icon.svg")
#: Minimum contrast of text: Web Content Accessibility Guidelines 2.2, criterion 1.4.3.
READABLE: Final = 4.5
#: The darkest background of light pages, and the lightest background of dark pages
#: (``tokens.css``).
_LIGHT: Final = "#eef0f4"
_DARK: Final = "#2a2f3a"
_STEPS: Final = 20


@dataclass(frozen=True)
class Brand:
    """The operator's branding of the pages.

    ``color`` is ``#rrggbb``, ``logo`` the path of a picture on this site, or empty.
    """

    name: str
    color: str
    logo: str

    @cached_property
    def on_light(self) -> str:
        """The colour, darkened until it is readable on a light page."""
        return _readable(self.color, _LIGHT, "#000000")

    @cached_property
    def on_dark(self) -> str:
        """The colour, lightened until it is readable on a dark page."""
        return _readable(self.color, _DARK, "#ffffff")

    def statics(self) -> dict[str, bytes]:
        """Return the content of every file below ``/static/``, by its relative path."""
        folder = asset("gateway/web/static")
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        } | {
            name: _templates().get_template(name).render(brand=self).encode()
            for name in _RENDERED
        }


@cache
def _templates() -> Environment:
    return Environment(  # noqa: S701 -- style, not HTML
        loader=FileSystemLoader(asset("gateway/web/templates")),
        undefined=StrictUndefined,
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21.

    https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _readable(color: str, background: str, end: str) -> str:
    """Return the first mix of *color* and *end* that is readable on *background*."""
    mixes = (_mixed(color, end, step / _STEPS) for step in range(_STEPS + 1))
    return next(mix for mix in mixes if contrast(mix, background) >= READABLE)


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004


def _channels(color: str) -> bytes:
    return bytes.fromhex(color.removeprefix("#"))
