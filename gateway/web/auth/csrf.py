"""Check that a form was sent from this site: by the CSRF token of the session."""

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
    """Register ``csrf_token()`` as a global of *app*'s templates.

    Flask-WTF's CSRFProtect is not used: it would parse every body, even uploads, to
    find the token.
    """
    # The token is valid as long as the session.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.jinja_env.globals["csrf_token"] = generate_csrf


def renew() -> None:
    """Discard the token of the current request, because its session is replaced."""
    g.pop(FIELD, None)


def check() -> None:
    """Raise ForgedFormError unless the request has the token in a header or field."""
    token = request.headers.get(HEADER)
    if token is None and request.mimetype == "application/x-www-form-urlencoded":
        token = request.form.get(FIELD)
    check_text(token or "")


def check_text(token: str) -> None:
    """Raise ForgedFormError unless *token* belongs to the session."""
    try:
        validate_csrf(token)
    except ValidationError:
        raise ForgedFormError from None
