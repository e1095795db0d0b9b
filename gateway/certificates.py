"""The certificates of the CAs that this machine trusts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

#: Of Debian's package ca-certificates.
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


def ca_certificates() -> str:
    """Return the file of the CA certificates: SSL_CERT_FILE, Debian's or OpenSSL's.

    Debian's comes before OpenSSL's: nginx's container has it, too.
    """
    paths = ssl.get_default_verify_paths()
    if paths.cafile in {None, paths.openssl_cafile} and _CERTIFICATES.exists():
        return str(_CERTIFICATES)
    return paths.cafile or str(_CERTIFICATES)
