"""Who asks: bearer tokens, drop links, and sessions of people."""

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
#: What a person may do who is logged in.
_BY_ROLE: Final = {
    Role.MEMBER: frozenset({Scope.UPLOAD, Scope.READ, Scope.SHARE}),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True)
class Identity:
    """Somebody known, and what they may do with what they showed."""

    user: User
    scopes: frozenset[Scope]
    drop: Drop | None = None
    """The drop link that they came by: they only upload, to its maker."""
    session_id: str = ""
    """The session that they are logged in with, if they are."""

    @property
    def is_admin(self) -> bool:
        """Tell whether everybody's uploads are open to them."""
        return self.user.role is Role.ADMIN and Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise NotPermittedError unless *scope* was given."""
        if scope not in self.scopes:
            raise NotPermittedError(f"scope-{scope.value}")


@dataclass(frozen=True)
class Identities:
    """Finds out who asks; a session lasts *session_life* seconds.

    *note* does what need not be done before the answer.
    """

    database: Database
    codes: DropCodes
    clock: Callable[[], float]
    session_life: int
    note: Callable[[Callable[[], None]], None] = at_once

    def current(self, *, may_lack_password: bool = False) -> Identity:
        """Return who sends the current request; raise NotAuthenticatedError.

        A browser sends its cookie from any site's page, too: with a session, a request
        that changes something needs the CSRF token, or raises ForgedFormError.
        (!) Who came by a drop link is nobody here, with NotPermittedError: what
        they have sent, and all else of its maker's, is not theirs to see.
        """
        identity = self.sender(may_lack_password=may_lack_password)
        if identity.drop is not None:
            raise NotPermittedError("drop-link")
        return identity

    def sender(self, *, may_lack_password: bool = False) -> Identity:
        """Return who sends an upload: as ``current``, or by a drop link.

        Raise DropOverError by one that is over.
        """
        if _has_bearer():
            return self._bearer()
        person = self.person(may_lack_password=may_lack_password)
        if not _is_safe():
            csrf.check()
        return person

    def by_drop_link(self, code: str) -> Identity:
        """Return who comes by the drop link of that code: its maker, to upload.

        One that is full is let through: what came by it last may be asked for.
        Raise LinkError or NotServableError for one that never was, and
        DropOverError for one that is over.
        """
        with self.database.read() as connection:
            drop = self.codes.find(connection, code)
            maker = users.by_id(connection, drop.owner_id)
        if maker is None:
            raise NotServableError("no-drop-link")
        state = drop.state(now=int(self.clock()))
        if maker.is_disabled or state in {State.EXPIRED, State.REVOKED}:
            raise DropOverError(drop.id)
        return Identity(maker, frozenset({Scope.UPLOAD}), drop)

    def person(self, *, may_lack_password: bool = False) -> Identity:
        """Return who is logged in; raise NotAuthenticatedError.

        Raise NewPasswordError for somebody who has to choose a password first, unless
        they *may_lack_password* of their own.
        (!) A view that does more than show must check the CSRF token.
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
        # Reading must go on when the catalog can't be written, and without waiting
        # for those who write.
        self.note(lambda: self.database.attempt(change, alone=False))


def _has_bearer() -> bool:
    return request.authorization is not None and request.authorization.type == "bearer"


def _is_safe() -> bool:
    # An admission is nginx's GET about a request of another method.
    original = request.headers.get(ORIGINAL_METHOD_HEADER, request.method)
    return {request.method, original} <= _SAFE
