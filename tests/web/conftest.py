"""The application under Flask's own client, with a clock that stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gateway import settings
from gateway.app import create_app
from gateway.links import Key, KeyRing, LinkSigner

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

NOON = 1_800_000_000.0


@dataclass
class Site:
    """An application, its tree, and a signer that shares its clock."""

    client: FlaskClient
    files: Path
    signer: LinkSigner
    now: float = NOON

    def sign(self, path: str, **claims: Any) -> str:
        """Return the URL's path, signed at the site's present."""
        return self.signer.sign(path, **{"expires": timedelta(hours=1), **claims})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("never read by Python\n")
    ring = KeyRing((Key.generate(),))
    reading = settings.read(
        {
            "GATEWAY_FILES": str(files),
            "GATEWAY_DATA": str(tmp_path),
            "GATEWAY_KEYS": str(ring),
            "GATEWAY_INLINE_TYPES": "image/svg+xml",
            "GATEWAY_CACHE_MAX_AGE": "600",
        }
    )
    here = Site(None, files, None)  # type: ignore[arg-type]
    here.signer = LinkSigner(ring, "", clock=lambda: here.now)
    here.client = create_app(reading.settings, clock=lambda: here.now).test_client()
    return here
