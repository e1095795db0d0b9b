"""nginx's files as Python renders them."""

from __future__ import annotations

from pathlib import Path

from gateway.config import settings
from gateway.runtime.rendering import NginxConf


def rendered(**chosen: str) -> dict[str, str]:
    """Return the text of every file, with these settings besides the defaults."""
    chosen = {
        "GATEWAY_FILES": "/srv/files",
        "GATEWAY_DATA": "/data",
        # A relay needs a sender.
        "GATEWAY_MAIL_FROM": "files@example.com",
        **chosen,
    }
    return NginxConf(
        settings=settings.read(chosen, check_disk=False).settings,
        listen="127.0.0.1:8080",
        run=Path("/data/run/nginx"),
        conf=Path("/data/run/conf/1"),
        spool=Path("/data/store/spool/1"),
        byte_cache=Path("/data/store/byte-cache/1"),
        ledger=Path("/data/store/ledger/1"),
    ).files()
