"""nginx for the peers: by itself, with its own links, and before Python.

It has what makes the gateway's fast, too: as many workers, sendfile, kept open files,
an access log that is written in chunks.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.processes import HOST, free_port, serving
from gateway.runtime.live_conf import find_nginx

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105
#: The Python applications, by the name that their URLs begin with.
APPLICATIONS = ("flask", "django", "starlette")
#: Where nginx finds a file that an application names by X-Accel-Redirect.
PROTECTED = "/protected/"

_CONF = """\
worker_processes auto;
pcre_jit on;
daemon off;
error_log stderr error;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 16384; }}
http {{
    access_log {folder}/access.log combined buffer=4k flush=200ms;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=4096 inactive=20s;
    open_file_cache_valid 1s;
    open_file_cache_min_uses 2;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    # gunicorn's workers close their connections; uvicorn keeps them.
    upstream starlette {{ server unix:{folder}/starlette.sock; keepalive 32; }}
    upstream flask {{ server unix:{folder}/flask.sock; }}
    upstream django {{ server unix:{folder}/django.sock; }}
    server {{
        listen {host}:{port};
        location /static/ {{ alias {files}/; }}
        location /secure/ {{
            secure_link $arg_md5,$arg_expires;
            secure_link_md5 "$secure_link_expires$uri {secret}";
            if ($secure_link = "") {{ return 404; }}
            if ($secure_link = "0") {{ return 410; }}
            alias {files}/;
        }}
        location {protected} {{ internal; alias {files}/; }}
{applications}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx; *folder* has the applications' sockets, NAME.sock."""

    folder: Path
    files: Path
    port: int

    @classmethod
    def start(cls, stack: ExitStack, folder: Path, files: Path) -> Nginx:
        """Start it for as long as *stack* is open."""
        server = cls(folder, files, free_port())
        conf = folder / "nginx.conf"
        conf.write_text(server.conf())
        command = [find_nginx(), "-e", "stderr", "-c", str(conf)]
        stack.enter_context(serving(command, folder / "nginx.log", (HOST, server.port)))
        return server

    def conf(self) -> str:
        """Return nginx.conf."""
        return _CONF.format(
            folder=self.folder,
            files=self.files,
            host=HOST,
            port=self.port,
            secret=SECRET,
            protected=PROTECTED,
            user="user root;" if os.geteuid() == 0 else "",
            applications="\n".join(
                f"        location /{name}/ {{ proxy_pass http://{name}; }}"
                for name in APPLICATIONS
            ),
        )

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def static(self, name: str) -> str:
        """Return the URL of a file that anybody may have."""
        return f"{self.url}/static/{name}"

    def secure_link(self, name: str) -> str:
        """Return a URL that ngx_http_secure_link_module verifies."""
        path, expires = f"/secure/{name}", int(time.time()) + 86_400
        digest = hashlib.md5(f"{expires}{path} {SECRET}".encode()).digest()  # noqa: S324
        mac = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{self.url}{path}?md5={mac}&expires={expires}"
