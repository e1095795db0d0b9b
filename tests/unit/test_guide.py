"""What ``gateway serve --guide`` tells somebody who tries the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.cli.guide import guide
from gateway.config import settings
from gateway.links import Key

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://127.0.0.1:8080"
KEY_ID, _, SECRET = str(Key.generate()).partition(":")


@pytest.mark.parametrize(
    ("key", "links"),
    [
        pytest.param(f"{KEY_ID}:{SECRET}", 1, id="any file"),
        pytest.param(f"{KEY_ID}?prefix=reports/:{SECRET}", 0, id="another folder"),
    ],
)
def test_a_link_is_shown_if_the_key_may_sign_it(
    tmp_path: Path, key: str, links: int
) -> None:
    """A key that may not sign the file keeps no gateway from starting."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hello.txt").touch()
    reading = settings.read(
        {
            "GATEWAY_FILES": str(tmp_path / "files"),
            "GATEWAY_DATA": str(tmp_path / "data"),
            "GATEWAY_KEYS": key,
        }
    )
    told = guide(reading.settings, URL)
    assert told.count(f"curl {URL}/s/") == links
    assert "sign hello.txt --expires 1h" in told
