"""The operator's colour, and that everything in it can be read."""

from __future__ import annotations

import re

import pytest

from gateway.config.brand import READABLE, Brand, contrast

#: What text may stand on, and the colours that text has.
GROUNDS = ("ground", "surface", "raised")
TEXTS = ("text", "quiet", "accent", "fault", "done")
#: Borders of fields and the like: WCAG 2.2, criterion 1.4.11.
VISIBLE = 3.0


def brand(color: str) -> Brand:
    return Brand("Files", color, "")


def schemes(color: str) -> list[dict[str, str]]:
    """Return the colours of the light and of the dark pages, by their names."""
    style = brand(color).statics()["style.css"].decode()
    light, dark, *_ = style.split("@media (prefers-color-scheme: dark)")
    dark = dark.partition("/*")[0]
    return [
        {name: full(value) for name, value in re.findall(r"--([a-z-]+): (#\w+);", text)}
        for text in (light, dark)
    ]


def full(color: str) -> str:
    """Return ``#rrggbb`` of ``#rgb``."""
    return color if len(color) > 4 else "#" + "".join(c * 2 for c in color[1:])


@pytest.mark.parametrize(
    "color", ["#2457c5", "#ffdd00", "#000000", "#ffffff", "#d40000", "#808080"]
)
def test_every_text_can_be_read_in_either_scheme(color: str) -> None:
    for colors in schemes(color):
        faint = [
            (text, ground)
            for text in TEXTS
            for ground in GROUNDS
            if contrast(colors[text], colors[ground]) < READABLE
        ]
        assert faint == []
        assert contrast(colors["on-accent"], colors["accent"]) >= READABLE
        assert all(contrast(colors["edge"], colors[g]) >= VISIBLE for g in GROUNDS)


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert brand("#2457c5").on_light == "#2457c5"
    assert brand("#ffdd00").on_dark == "#ffdd00"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        pytest.param("#000000", "#ffffff", 21.0, id="most"),
        pytest.param("#ffffff", "#ffffff", 1.0, id="none"),
        pytest.param("#777777", "#ffffff", 4.48, id="grey"),
    ],
)
def test_contrast_is_as_the_guidelines_count_it(
    one: str, other: str, ratio: float
) -> None:
    assert contrast(one, other) == contrast(other, one)
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)


def test_style_and_icon_have_the_colour() -> None:
    files = brand("#d40000").statics()
    assert b"--accent: #d40000;" in files["style.css"]
    assert b'fill="#d40000"' in files["icon.svg"]
    assert b"{{" not in files["style.css"] + files["icon.svg"]
