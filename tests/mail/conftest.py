"""Certificates of relays, and clients that trust them."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.mail.relays import HOST
from tests.unit.conftest import run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a certificate for this machine; certificate and key are in one file."""
    file = tmp_path_factory.mktemp("tls") / "relay.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-addext", f"subjectAltName=DNS:{HOST}",
         "-keyout", file, "-out", file.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with file.open("a") as both:
        both.write(file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a relay's TLS context, with a certificate that the clients trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
