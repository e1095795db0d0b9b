"""Whether a request comes from a page of ours: the CSRF token of its session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import g, request
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

from gateway.errors import ForgedFormError

if TYPE_CHECKING:
    from flask import Flask

FIELD: Final = "csrf_token"
HEADER: Final = "X-CSRF-Token"


def register(app: Flask) -> None:
    """Let *app*'s templates call ``csrf_token()``.

    Flask-WTF's own CSRFProtect stays off: it would parse each body to look for
    the token, uploads included.
    """
    # As long as the session lives.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.jinja_env.globals["csrf_token"] = generate_csrf


def renew() -> None:
    """Forget the token that this request has given out; its session is another."""
    g.pop(FIELD, None)


def check() -> None:
    """Raise ForgedFormError unless the request has the token, as header or field."""
    token = request.headers.get(HEADER)
    if token is None and request.mimetype == "application/x-www-form-urlencoded":
        token = request.form.get(FIELD)
    check_text(token or "")


def check_text(token: str) -> None:
    """Raise ForgedFormError unless *token* is the session's."""
    try:
        validate_csrf(token)
    except ValidationError:
        raise ForgedFormError from None
