"""Sizes, as people write them on the command line."""

from __future__ import annotations

import click
import pytest

from gateway.cli.options import Size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("1000", 1000, id="bytes"),
        pytest.param("1G", 2**30, id="gibibyte"),
        pytest.param("500m", 500 * 2**20, id="small letter"),
        pytest.param("2KiB", 2048, id="unit in full"),
        pytest.param("3TB", 3 * 2**40, id="unit as on a box"),
    ],
)
def test_a_size_is_its_number_times_its_unit(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("big", id="word"),
        pytest.param("1.5G", id="fraction"),
        pytest.param("-1", id="negative"),
        pytest.param("1 G", id="blank"),
        pytest.param("1P", id="unknown unit"),
        pytest.param("\u0661", id="other digits"),
        pytest.param("9" * 16, id="too many digits"),
    ],
)
def test_what_is_no_size_is_named_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="500M or 1G") as caught:
        Size().convert(text, None, None)
    assert repr(text) in caught.value.message
