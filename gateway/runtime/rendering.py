"""Render nginx's configuration from its templates, for every way of running nginx.

The Jinja2 templates are in ``nginx/``.  Facts that Python and nginx share, such as
statuses, policies and settings, are defined in Python and passed to the templates.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.certificates import ca_certificates
from gateway.config.assets import asset
from gateway.config.authorize import Kind
from gateway.config.brand import Brand
from gateway.config.settings import Settings
from gateway.delivery.accel import Way
from gateway.http import (
    content_security,
    cors,
    explanations,
    families,
    file_headers,
    refusal_page,
)
from gateway.http.pools import Pool
from gateway.metrics.verdicts import KEPT
from gateway.runtime import ledger_file, logs
from gateway.storage.content import BLOBS
from gateway.storage.media_types import MediaTypes
from gateway.storage.places import Place, Places
from gateway.uploads.multipart import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config.authorize import Credential

#: Host names that ``nginx/server.conf`` always answers.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: The socket in nginx's ``run`` folder between nginx and the site's application.
AUTHORIZE_SOCKET: Final = "authorize.sock"
#: The socket in that folder between nginx and the bucket of the uploads.
STORE_SOCKET: Final = "store.sock"
#: Headers that nginx sets (``nginx/snippets/site.conf``): a client's own are ignored.
_FACTS: Final = {
    "host": "$host$gateway_port",
    "x-forwarded-for": "$remote_addr",
    "x-forwarded-host": "$host$gateway_port",
    "x-forwarded-proto": "$gateway_scheme",
    "x-real-ip": "$remote_addr",
}
_TEMPLATES: Final = (
    *("*.conf", "conf.d/*.conf", "snippets/*.conf"),
    *("pages/*", "*.sed", ledger_file.SCRIPT),
)
#: The file with the digest of ``release``.
RELEASE: Final = "release"
#: nginx's error page for browsers.
_PAGE: Final = "pages/error.html"
#: Texts that nginx reads as one word without quotes.
_WORD: Final = re.compile(r"[A-Za-z0-9_./:@%+=~,-]+")
#: Of Debian's package libnginx-mod-http-headers-more-filter.
HEADERS_MORE: Final = Path(
    "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so"
)
#: The characters of the gateway's id that are part of each request id.
_ID_LENGTH: Final = 8
#: nginx's default limit, ``ssi_value_length``.
_SSI_BYTES: Final = 256


@dataclass(frozen=True, kw_only=True)
class NginxConf:
    """One rendering of nginx's configuration.

    ``listen`` is the address, ``run`` the folder for nginx's pid and temporary files,
    ``conf`` the folder that the files are written to and included from, ``spool`` the
    folder of request bodies, ``byte_cache`` the folder of the cache of buckets, and
    ``ledger`` the folder of the ledger's log file, which has the gateway's name.
    """

    settings: Settings
    listen: str
    run: Path
    conf: Path
    spool: Path
    byte_cache: Path
    ledger: Path
    access_log: str = "/dev/stdout"

    def files(self) -> dict[str, str]:
        """Return the rendered text of every file, by its path below ``conf``."""
        root = asset("nginx")
        environment = _environment()
        facts = self._facts()
        names = (str(path.relative_to(root)) for path in _templates())
        files = {name: environment.get_template(name).render(facts) for name in names}
        # In one line, as Flask sends it: both send the same page.
        files[_PAGE] = refusal_page.in_one_line(files[_PAGE])
        return files

    def write(self) -> Path:
        """Write all files, static ones too, to ``conf``; return nginx.conf's path."""
        contents = {name: text.encode() for name, text in self.files().items()}
        contents[RELEASE] = f"{release()}\n".encode()
        for name, content in self._brand.statics().items():
            contents[f"static/{name}"] = content
        for name, content in contents.items():
            path = self.conf / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self.conf / "nginx.conf"

    @property
    def _brand(self) -> Brand:
        return Brand(self.settings.name, self.settings.color, self.settings.logo)

    def _facts(self) -> dict[str, Any]:
        """Return the variables of the templates."""
        return {
            "settings": self.settings,
            "prefix": self.settings.path_prefix,
            "optional_prefix": _optional(self.settings.path_prefix),
            "brand": self._brand,
            "listen": self.listen,
            "run": self.run,
            "conf": self.conf,
            "access_log": self.access_log,
            "spool": self.spool,
            "byte_cache": self.byte_cache,
            "ledger": str(self.ledger),
            "gateway_id": self.settings.replica or self.ledger.name[:_ID_LENGTH],
            "kept": KEPT,
            "form_size": form_size(self.settings),
            "server_names": server_names(self.settings),
            "pages": explanations.BY_NGINX,
            "otherwise": explanations.BAD_REQUEST,
            "problems": self.settings.path_prefix + explanations.PROBLEMS,
            "open_url": self.settings.path_prefix + refusal_page.OPEN_PATH,
            "link_form_statuses": [
                int(each.status)
                for each in explanations.BY_STATUS.values()
                if refusal_page.has_link_form(each)
            ],
            "statuses": explanations.statuses(),
            "refusal_headers": explanations.CARRIED,
            "policies": content_security,
            "cors": cors,
            "file_headers": file_headers.HEADERS,
            "families": families.BY_NAME,
            "cached_families": families.JUDGED,
            "family_header": families.HEADER,
            "places": list(families.places().values()),
            "program_paths": sorted(
                {
                    path
                    for family in families.FAMILIES
                    if family.is_for_programs
                    for path in family.places
                }
            ),
            "ways": [way.value for way in Way],
            "folders": [
                *(self.settings.files.folders if self.settings.files else ()),
                BLOBS,
            ],
            "bucket": self.settings.bucket_server,
            "headers_more": str(HEADERS_MORE),
            "media_types": MediaTypes.read(asset("nginx/snippets/media_types.conf")),
            "sockets": {
                **{pool.value: self.settings.socket(pool) for pool in Pool},
                families.HEALTH.name: self.settings.health_socket,
            },
            "log_rules": logs.RULES,
            "authorize_socket": self.run / AUTHORIZE_SOCKET,
            "store_socket": self.run / STORE_SOCKET,
            "credentials": credentials(self.settings.authorize_by),
            "ca_certificates": ca_certificates(),
        }


def credentials(by: Sequence[Credential]) -> list[str]:
    """Return nginx's variable of each credential (``nginx/conf.d/authorize.conf``)."""
    cookies = count(1)
    return [
        f"$gateway_cookie_{next(cookies)}"
        if credential.kind is Kind.COOKIE
        else _FACTS.get(credential.name.lower(), f"$http_{variable(credential.name)}")
        for credential in by
    ]


def _optional(prefix: str) -> str:
    """Return a pattern of a path prefix that a path may have or not."""
    return f"(?:{re.escape(prefix)})?" if prefix else ""


@cache
def release() -> str:
    """Return a digest of this release's templates, and of the facts rendered into them.

    ``gateway doctor`` compares it with the digest beside the files that nginx reads.
    """
    root = Path("/")
    rendered = NginxConf(
        settings=Settings(files=Places((Place("", root),)), data=root),
        listen="127.0.0.1:8080",
        run=root,
        conf=root,
        spool=root,
        byte_cache=root,
        ledger=root,
    ).files()
    # The default settings leave out some parts of the templates.
    macros = sorted(asset("nginx").glob("*.jinja"))
    templates = [path.read_text("utf-8") for path in (*_templates(), *macros)]
    return hashlib.sha256(repr((templates, rendered)).encode()).hexdigest()


def _templates() -> list[Path]:
    root = asset("nginx")
    return [path for pattern in _TEMPLATES for path in sorted(root.glob(pattern))]


def form_size(settings: Settings) -> int:
    """Return the maximum size of an upload form: its files and the multipart envelope.

    In bytes; 0 is no limit.
    """
    return settings.upload_size + ENVELOPE if settings.upload_size else 0


def server_names(settings: Settings) -> list[str]:
    """Return the host names to answer, in the syntax of ``server_name``."""
    names = list(settings.hosts)
    if settings.public_url:
        host = urlsplit(settings.public_url).hostname or ""
        names.insert(0, f"[{host}]" if ":" in host else host)
    return ["~." if name == "*" else name for name in names if name not in LOOPBACK]


@cache
def _environment() -> Environment:
    # nginx's error pages use the same template as Flask's.
    folders = [asset("nginx"), asset("gateway/web/templates")]
    environment = Environment(  # noqa: S701 -- nginx's syntax, not HTML
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "quoted": quoted,
        "regex": re.escape,
        "sed": in_sed,
        "shell": shlex.quote,
        "ssi": in_ssi,
        "variable": variable,
    }
    return environment


def quoted(text: str) -> str:
    """Return *text* as one word in nginx's syntax, quoted if necessary.

    Raise ValueError if that is impossible: nginx has no escape for a literal ``$``.
    """
    if _WORD.fullmatch(text):
        return text
    if re.search(r"[$\x00-\x1f\x7f]", text):
        raise ValueError(f"{text!r} can't be written in nginx's configuration")
    escaped = re.sub(r'(["\\\\])', r"\\\1", text)
    return f'"{escaped}"'


def variable(header: str) -> str:
    """Return the name of *header* as it appears in nginx's variable names."""
    return header.lower().replace("-", "_")


def in_sed(text: str) -> str:
    """Return *text*; raise ValueError if it contains the delimiter of ``s~~~``."""
    if re.search(r"[~\n]", text):
        raise ValueError(f"{text!r} can't be written in a sed command")
    return text


def in_ssi(text: str) -> str:
    """Return *text*; raise ValueError if nginx's SSI would not read it literally.

    https://nginx.org/en/docs/http/ngx_http_ssi_module.html
    """
    if re.search(r'["$\\]', text) or len(text.encode()) > _SSI_BYTES:
        raise ValueError(f"{text!r} can't be written in an SSI command")
    return text
