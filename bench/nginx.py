"""nginx for the alternatives: static files, secure_link, and a proxy for Python.

It has the same optimisations as the gateway's nginx: the number of workers, sendfile, a
cache of open files, a buffered access log.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.processes import HOST, free_port, serving
from gateway.runtime.live_conf import find_nginx

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105
#: The Python applications; their URLs begin with these names.
APPLICATIONS = ("flask", "django", "starlette")
#: The internal location for an application's X-Accel-Redirect.
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
    # The gateway's line, as it can be written without redacting a token.
    log_format json escape=json
        '{{"time":"$time_iso8601","request_id":"{request_id}","client":"$remote_addr",'
        '"host":"$host","method":"$request_method","uri":"$uri",'
        '"protocol":"$server_protocol","status":$status,"bytes":$body_bytes_sent,'
        '"range":"$http_range","complete":"$request_completion",'
        '"seconds":$request_time,"verdict_seconds":"$upstream_response_time",'
        '"verdict_cache":"$upstream_cache_status",'
        '"reason":"$upstream_http_x_gateway_reason","trace":"$http_traceparent",'
        '"agent":"$http_user_agent"}}';
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
        location /logged/ {{
            alias {files}/;
            access_log {folder}/json.log json buffer=4k flush=200ms;
        }}
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


#: A proxy with nginx's defaults, but for connections that are kept.
_PROXY = """\
worker_processes auto; daemon off; error_log stderr error; pid {folder}/proxy.pid;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream server {{ server {server}; keepalive 32; }}
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Host {server};
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx; ``folder`` contains the applications' sockets, NAME.sock."""

    folder: Path
    files: Path
    port: int

    @classmethod
    def start(cls, stack: ExitStack, folder: Path, files: Path) -> Nginx:
        """Start nginx until *stack* closes."""
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
            request_id="01234567-$connection-$connection_requests-$msec",
            user="user root;" if os.geteuid() == 0 else "",
            applications="\n".join(
                f"        location /{name}/ {{ proxy_pass http://{name}; }}"
                for name in APPLICATIONS
            ),
        )

    @property
    def url(self) -> str:
        """The base URL, without a final slash."""
        return f"http://{HOST}:{self.port}"

    def static(self, name: str) -> str:
        """Return the URL of a public file."""
        return f"{self.url}/static/{name}"

    def logged(self, name: str) -> str:
        """Return the URL of a public file whose requests are logged as JSON."""
        return f"{self.url}/logged/{name}"

    def secure_link(self, name: str) -> str:
        """Return a URL for ngx_http_secure_link_module."""
        path, expires = f"/secure/{name}", int(time.time()) + 86_400
        digest = hashlib.md5(f"{expires}{path} {SECRET}".encode()).digest()  # noqa: S324
        mac = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{self.url}{path}?md5={mac}&expires={expires}"


@dataclass
class Proxy:
    """An nginx that passes all requests on to *server*, without a cache."""

    folder: Path
    server: str
    port: int = field(default_factory=free_port)
    pid: int = 0

    @classmethod
    def start(cls, stack: ExitStack, folder: Path, server: str) -> Proxy:
        """Start nginx until *stack* closes; *server* is a host and a port."""
        proxy = cls(folder, server)
        conf = folder / "proxy.conf"
        conf.write_text(
            _PROXY.format(
                folder=folder,
                server=server,
                host=HOST,
                port=proxy.port,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        command = [find_nginx(), "-e", "stderr", "-c", str(conf)]
        log, address = folder / "proxy.log", (HOST, proxy.port)
        proxy.pid = stack.enter_context(serving(command, log, address))
        return proxy

    def through(self, url: str) -> str:
        """Return a URL of the server, as it is requested here."""
        return url.replace(self.server, f"{HOST}:{self.port}", 1)
