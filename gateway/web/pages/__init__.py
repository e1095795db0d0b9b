"""Pages for people: nothing foreign runs in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import segno
from flask import Response, render_template
from markupsafe import Markup
from werkzeug.urls import iri_to_uri

from gateway.http import content_security
from gateway.web.pages.static_files import Statics

if TYPE_CHECKING:
    from flask import Flask

    from gateway.config.brand import Brand

#: What a media type begins with, and the icon of such files; the first one counts.
_KINDS: Final = {
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


def register(app: Flask, brand: Brand) -> None:
    """Let *app*'s templates name the operator, style and scripts."""
    app.jinja_env.globals |= {
        "brand": brand,
        "static": Statics.of(brand.statics()).url,
    }
    app.jinja_env.filters |= {
        "iso": _iso,
        "kind": _kind,
        "qr": _qr,
        "utc": _utc,
        "utc_field": _utc_field,
    }
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kind(media_type: str) -> str:
    """Return the name of an icon (``icons.html``)."""
    found = (name for start, name in _KINDS.items() if media_type.startswith(start))
    return next(found, "file")


def _qr(url: str) -> Markup:
    """Return a QR code as inline SVG; it takes 10 ms."""
    code = segno.make_qr(url, error="m")
    # Markup: made of the code's modules alone.
    return Markup(code.svg_inline(border=2, dark="#000", light="#fff", omitsize=True))  # noqa: S704


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _utc_field(seconds: int) -> str:
    """Return a moment as a field of the type ``datetime-local`` takes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M")


def page(template: str, *, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401
    """Return a page."""
    response = Response(
        render_template(template, **facts),
        status=status,
        content_type="text/html; charset=utf-8",
    )
    response.headers["Content-Security-Policy"] = content_security.PAGE
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def see_other(path: str) -> Response:
    """Lead a browser on, by GET, to a path of this site."""
    return Response(status=303, headers={"Location": iri_to_uri(path)})
