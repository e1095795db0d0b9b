"""Login sessions in cookies: a signed cookie has a login session's secret."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask import session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature

from gateway.links.server_secret import Use
from gateway.web.auth import csrf

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin

    from gateway.links.server_secret import ServerSecret

_COOKIE: Final = "gateway"
_KEY: Final = "session"


class _Sessions(SecureCookieSessionInterface):
    """Builds the serializer once per process, and skips requests without a cookie."""

    get_signing_serializer = lru_cache(1)(
        SecureCookieSessionInterface.get_signing_serializer
    )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        text = request.cookies.get(self.get_cookie_name(app))
        serializer = self.get_signing_serializer(app)
        if not text or serializer is None:
            return self.session_class()
        # (!) Flask would compare the cookie's time with the clock, and refuse a cookie
        #     of another gateway whose clock is ahead.  The catalog knows when a login
        #     session ends.
        try:
            return self.session_class(serializer.loads(text))
        except BadSignature:
            return self.session_class()

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        if session.accessed or session.modified:
            super().save_session(app, session, response)


def register(
    app: Flask,
    *,
    secret: ServerSecret,
    public_url: str | None,
    path_prefix: str,
    life: int,
) -> None:
    """Configure *app*'s session cookie, signed with the newest key.

    It lasts *life* seconds, and browsers send it only to paths below *path_prefix*.
    """
    app.session_interface = _Sessions()
    is_secure = (public_url or "").startswith("https:")
    path = path_prefix or "/"
    app.config.update(
        SECRET_KEY=secret.key(Use.SESSION),
        SESSION_COOKIE_NAME=cookie_name(_COOKIE, is_secure=is_secure, path=path),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_PATH=path,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_secure,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=life,
    )


def cookie_name(name: str, *, is_secure: bool, path: str) -> str:
    """Return the name of a cookie for *path*.

    Other hosts can't set a cookie whose name begins with ``__Host-``; such a cookie
    must be for the path ``/``.  A cookie whose name begins with ``__Secure-`` can only
    be set over TLS (RFC 6265bis, section 4.1.3).
    """
    if not is_secure:
        return name
    return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


def begin(text: str) -> None:
    """Log in with the text of a new session; discard the previous cookie's content."""
    session.clear()
    csrf.renew()
    session.permanent = True
    session[_KEY] = text


def end() -> None:
    """Log out."""
    session.clear()


def current() -> str:
    """Return the text of the request's session, or an empty string."""
    return str(session.get(_KEY, ""))
