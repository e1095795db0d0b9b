"""Rendering nginx's configuration from its templates.

The templates use ``${NAME}``; in the container ``envsubst`` fills them
(``nginx/render.sh``), here ``fill`` does.  A test holds that both give the
same text.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.assets import asset
from gateway.uploads.multipart import ENVELOPE

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import Settings

#: Names that ``nginx/server.conf`` answers whatever the settings say.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_TEMPLATES: Final = ("nginx.conf", "server.conf", "conf.d/*.conf", "snippets/*.conf")


@dataclass(frozen=True, kw_only=True)
class NginxConf:
    """One rendering: where it listens, logs, runs, and from where it includes."""

    settings: Settings
    listen: str
    run: Path
    conf: Path
    access_log: str = "/dev/stdout"

    def values(self) -> dict[str, str]:
        """Return the value of every placeholder."""
        settings = self.settings
        ttl = settings.verdict_ttl
        return {
            "GATEWAY_BEARER_URLS": "cached" if ttl else "asked",
            "GATEWAY_ACCESS_LOG": self.access_log,
            "GATEWAY_CLIENT_CONNECTIONS": str(settings.client_connections),
            "GATEWAY_CLIENT_REQUESTS": str(settings.client_requests),
            "GATEWAY_CONF": str(self.conf),
            "GATEWAY_CORS": "named" if settings.cors_origins else "none",
            "GATEWAY_CORS_ORIGINS": " ".join(settings.cors_origins),
            "GATEWAY_FILES": str(settings.files),
            "GATEWAY_FORM_SIZE": str(form_size(settings)),
            "GATEWAY_GRACE": str(settings.grace),
            "GATEWAY_LISTEN": self.listen,
            "GATEWAY_REAL_IP": " ".join(
                f"set_real_ip_from {network};" for network in settings.trusted_proxies
            ),
            "GATEWAY_RUN": str(self.run),
            "GATEWAY_SERVER_NAMES": " ".join(server_names(settings)),
            "GATEWAY_SOCKETS": str(settings.run),
            "GATEWAY_STORE": str(settings.store),
            "GATEWAY_UPLOAD_SIZE": str(settings.upload_size),
            "GATEWAY_VERDICT_CACHE": str(settings.verdict_cache),
            "GATEWAY_VERDICT_EPOCH": "$gateway_second" if ttl == 1 else "",
        }

    def files(self) -> dict[str, str]:
        """Return the rendered text of every file, by its path in the set."""
        values = self.values()
        root = asset("nginx")
        return {
            str(path.relative_to(root)): fill(path.read_text("utf-8"), values)
            for pattern in _TEMPLATES
            for path in sorted(root.glob(pattern))
        }

    def write(self) -> Path:
        """Write the set, pages and statics to ``conf``; return nginx.conf's path."""
        for name, text in self.files().items():
            path = self.conf / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        shutil.copytree(asset("nginx/pages"), self.conf / "pages", dirs_exist_ok=True)
        statics = asset("gateway/web/static")
        shutil.copytree(statics, self.conf / "static", dirs_exist_ok=True)
        self.run.mkdir(parents=True, exist_ok=True)
        return self.conf / "nginx.conf"


def form_size(settings: Settings) -> int:
    """Return how large an upload form may be: its files, and what is around them."""
    return settings.upload_size + ENVELOPE if settings.upload_size else 0


def fill(template: str, values: dict[str, str]) -> str:
    """Replace every ``${NAME}``; raise KeyError for a name without a value."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda match: values[match[1]], template)


def server_names(settings: Settings) -> list[str]:
    """Return the host names that are answered, as ``server_name`` takes them."""
    names = list(settings.hosts)
    if settings.public_url:
        host = urlsplit(settings.public_url).hostname or ""
        names.insert(0, f"[{host}]" if ":" in host else host)
    return ["~." if name == "*" else name for name in names if name not in LOOPBACK]
