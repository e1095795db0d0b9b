"""HTML pages: rendering, template filters, and headers that allow no foreign code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import segno
from flask import Response, render_template, url_for
from markupsafe import Markup
from werkzeug.urls import iri_to_uri

from gateway.http import content_security
from gateway.web.pages.static_files import StaticFiles

if TYPE_CHECKING:
    from flask import Flask

    from gateway.config.brand import Brand

#: The icon of a file, by the start of its media type.  The first match is used.
_ICON_NAMES: Final = {
    "image/": "picture",
    "video/": "film",
    "audio/": "sound",
    "application/pdf": "pdf",
    "text/csv": "table",
    "application/vnd.ms-excel": "table",
    "application/vnd.oasis.opendocument.spreadsheet": "table",
    "application/vnd.openxmlformats-officedocument.spreadsheetml": "table",
    "text/": "text",
    "application/msword": "text",
    "application/vnd.oasis.opendocument.text": "text",
    "application/vnd.openxmlformats-officedocument.wordprocessingml": "text",
    "application/gzip": "archive",
    "application/x-7z-compressed": "archive",
    "application/x-tar": "archive",
    "application/zip": "archive",
}


def register(app: Flask, brand: Brand, path_prefix: str) -> None:
    """Register the globals and filters that *app*'s templates use."""
    app.jinja_env.globals |= {
        "brand": brand,
        # Not url_for: nginx serves these files, and Flask has no route of them.
        "static": StaticFiles.of(brand.statics(), path_prefix).url,
    }
    app.jinja_env.filters |= {
        "iso": _iso,
        "icon_name": _icon_name,
        "qr": _qr,
        "utc": _utc,
        "utc_field": _utc_field,
    }
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _icon_name(media_type: str) -> str:
    """Return the name of the icon for a media type (``_icons.html``)."""
    names = (n for start, n in _ICON_NAMES.items() if media_type.startswith(start))
    return next(names, "file")


def _qr(url: str) -> Markup:
    """Return the QR code of *url* as inline SVG; this takes 10 ms."""
    code = segno.make_qr(url, error="m")
    # Safe as Markup: the SVG has the code's modules only, no text of the URL.
    return Markup(code.svg_inline(border=2, dark="#000", light="#fff", omitsize=True))  # noqa: S704


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _utc_field(seconds: int) -> str:
    """Return a Unix time in the format of an input of type ``datetime-local``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M")


def page(template: str, *, status: int = 200, **context: Any) -> Response:  # noqa: ANN401
    """Return *template*, rendered with *context*, as a page."""
    response = Response(
        render_template(template, **context),
        status=status,
        content_type="text/html; charset=utf-8",
    )
    response.headers["Content-Security-Policy"] = content_security.PAGE
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def see_other(path: str) -> Response:
    """Return a 303 redirect to *path*, which the browser requests with GET.

    (!) *path* must be a path of this site: check paths that a client names with
        ``redirects.local``.
    """
    return Response(status=303, headers={"Location": iri_to_uri(path)})


def see_login(destination: str) -> Response:
    """Return a redirect to the login page, which then leads to *destination*."""
    return see_other(url_for("accounts.login", next=destination))
