"""Who is logged in: a signed cookie of Flask's, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask import session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from gateway.catalog import users
from gateway.errors import NotAuthenticatedError
from gateway.web import csrf

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin
    from sqlalchemy import Connection

    from gateway.catalog.users import User
    from gateway.links.keyring import KeyRing

_PURPOSE: Final = "accel-gateway.session.1"
_COOKIE: Final = "gateway"


class _Sessions(SecureCookieSessionInterface):
    """Does per process what Flask does per request, and nothing for verdicts."""

    get_signing_serializer = lru_cache(1)(
        SecureCookieSessionInterface.get_signing_serializer
    )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        if session.accessed or session.modified:
            super().save_session(app, session, response)


def register(app: Flask, *, ring: KeyRing, public_url: str | None, life: int) -> None:
    """Let *app* keep sessions of *life* seconds.

    The ring's newest key signs, all verify.
    """
    app.session_interface = _Sessions()
    newest, *others = ring.derived(_PURPOSE)
    is_secure = (public_url or "").startswith("https:")
    app.config.update(
        SECRET_KEY=newest,
        SECRET_KEY_FALLBACKS=others,
        # The prefix keeps a neighbouring host from setting a cookie of this name.
        SESSION_COOKIE_NAME=f"__Host-{_COOKIE}" if is_secure else _COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_secure,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=life,
    )


def begin(user: User, *, now: int) -> None:
    """Log *user* in; nothing of the session before is left."""
    session.clear()
    csrf.renew()
    session.permanent = True
    session.update(user=user.id, epoch=user.session_epoch, issued=now)


def end() -> None:
    """Log out."""
    session.clear()


@dataclass(frozen=True)
class SessionClaim:
    """What the cookie says: a user, of a password's epoch, logged in at a second."""

    user_id: int
    epoch: int
    issued: int

    @classmethod
    def of_request(cls) -> SessionClaim:
        """Read the request's cookie; raise NotAuthenticatedError if it has none."""
        try:
            return cls(session["user"], session["epoch"], session["issued"])
        except KeyError:
            raise NotAuthenticatedError from None

    def user(self, connection: Connection, *, now: int, life: int) -> User:
        """Return whose session it is.

        Raise NotAuthenticatedError if it is over: after *life* seconds, by a new
        password, or with the account.
        """
        user = users.by_id(connection, self.user_id)
        if (
            user is None
            or user.is_disabled
            or user.session_epoch != self.epoch
            or now >= self.issued + life
        ):
            raise NotAuthenticatedError
        return user
