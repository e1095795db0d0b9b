"""Authenticate requests: by bearer token, drop link or login session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import request

from gateway.catalog import login_sessions, tokens, users
from gateway.catalog.drops import State
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.errors import (
    DropOverError,
    LinkError,
    NewPasswordError,
    NotAuthenticatedError,
    NotPermittedError,
    NotServableError,
)
from gateway.links import codes
from gateway.web.auth import csrf, sessions
from gateway.web.background import at_once
from gateway.web.nginx.headers import ORIGINAL_METHOD_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User
    from gateway.uploads.drop_codes import DropCodes

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: The scopes of a login session.
_BY_ROLE: Final = {
    Role.MEMBER: frozenset({Scope.UPLOAD, Scope.READ, Scope.SHARE}),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True)
class Identity:
    """The user who sends a request, and the scopes of their credential."""

    user: User
    scopes: frozenset[Scope]
    drop: Drop | None = None
    """The drop link whose code authorized the request; it permits uploads only."""
    session_id: str = ""
    """The id of the login session, or an empty string without one."""

    @property
    def is_admin(self) -> bool:
        """Tell whether the user may use the files of all users."""
        return self.user.role is Role.ADMIN and Scope.ADMIN in self.scopes

    @property
    def owner_filter(self) -> User | None:
        """The user whose files may be used; None permits the files of all users."""
        return None if self.is_admin else self.user

    def require(self, scope: Scope) -> None:
        """Raise NotPermittedError if the credential lacks *scope*."""
        if scope not in self.scopes:
            raise NotPermittedError(f"scope-{scope.value}")


@dataclass(frozen=True)
class Identities:
    """Authenticates requests; *session_life* is in seconds.

    *note* runs work that the response need not wait for.
    """

    database: Database
    codes: DropCodes
    clock: Callable[[], float]
    session_life: int
    note: Callable[[Callable[[], None]], None] = at_once

    def current(self, *, may_lack_password: bool = False) -> Identity:
        """Return the sender of the current request; raise NotAuthenticatedError.

        An unsafe request with a login session needs the CSRF token, or raises
        ForgedFormError: a browser sends its cookie with forms of other sites, too.
        (!) The code of a drop link raises NotPermittedError: it must not give access to
        the uploads sent through that link, or to any other file of its owner.
        """
        identity = self.sender(may_lack_password=may_lack_password)
        if identity.drop is not None:
            raise NotPermittedError("drop-link")
        return identity

    def sender(self, *, may_lack_password: bool = False) -> Identity:
        """Return the sender of an upload: like ``current``, but accept a drop link.

        Raise DropOverError for a drop link that is expired or revoked.
        """
        if has_bearer():
            return self._bearer()
        person = self.person(may_lack_password=may_lack_password)
        if not _is_safe():
            csrf.check()
        return person

    def by_drop_link(self, code: str) -> Identity:
        """Return the identity of a drop link's code: its owner, for uploads only.

        A full drop link is accepted: a client may still request the state of its last
        upload.
        Raise LinkError or NotServableError if there is no such drop link, and
        DropOverError if it is expired or revoked.
        """
        with self.database.read() as connection:
            drop = self.codes.find(connection, code)
            owner = users.by_id(connection, drop.owner_id)
        if owner is None:
            raise NotServableError("no-drop-link")
        state = drop.state(now=int(self.clock()))
        if owner.is_disabled or state in {State.EXPIRED, State.REVOKED}:
            raise DropOverError(drop.id)
        return Identity(owner, frozenset({Scope.UPLOAD}), drop)

    def person(self, *, may_lack_password: bool = False) -> Identity:
        """Return the user who is logged in; raise NotAuthenticatedError.

        Raise NewPasswordError for a user with a temporary password, unless
        *may_lack_password*.
        (!) A view that changes anything must check the CSRF token.
        """
        now = int(self.clock())
        text = sessions.current()
        if not text:
            raise NotAuthenticatedError
        with self.database.read() as connection:
            user, session = login_sessions.authenticate(connection, text, now=now)
        if user.must_change_password and not may_lack_password:
            raise NewPasswordError
        if login_sessions.is_use_worth_noting(session, now=now):
            self._note_later(
                lambda connection: login_sessions.note_use(connection, session, now=now)
            )
        return Identity(user, _BY_ROLE[user.role], session_id=session.id)

    def _bearer(self) -> Identity:
        now = int(self.clock())
        authorization = request.authorization
        text = (authorization.token if authorization else None) or ""
        if codes.is_code(text):
            try:
                return self.by_drop_link(text)
            except (LinkError, NotServableError):
                raise NotAuthenticatedError from None
        with self.database.read() as connection:
            user, token = tokens.authenticate(connection, text, now=now)
        if tokens.is_use_worth_noting(token, now=now):
            self._note_later(
                lambda connection: tokens.note_use(connection, token, now=now)
            )
        return Identity(user, token.scopes)

    def _note_later(self, change: Callable[[Connection], None]) -> None:
        # Reads must work while the catalog can't be written, and must not wait for
        # writers.
        self.note(lambda: self.database.attempt(change, alone=False))


def has_bearer() -> bool:
    """Return whether the request has a bearer token, of whatever kind."""
    return request.authorization is not None and request.authorization.type == "bearer"


def _is_safe() -> bool:
    # nginx requests an admission with GET; the client's method is in a header.
    original = request.headers.get(ORIGINAL_METHOD_HEADER, request.method)
    return {request.method, original} <= _SAFE
