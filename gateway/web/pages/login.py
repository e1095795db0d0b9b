"""``/login``, ``/logout`` and ``/password``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request

from gateway.catalog import login_sessions
from gateway.errors import (
    AccountError,
    ForgedFormError,
    NewPasswordError,
    NotAuthenticatedError,
    RefusedError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from gateway.http.explanations import explain
from gateway.web import clients, problems
from gateway.web.auth import browsers, csrf, sessions
from gateway.web.auth.passwords import network
from gateway.web.auth.redirects import local
from gateway.web.pages import page, see_other
from gateway.web.problems import REASON_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.catalog.users import User
    from gateway.web.auth.browsers import KnownBrowsers
    from gateway.web.auth.identity import Identities
    from gateway.web.auth.passwords import Passwords

_LOGIN: Final = "/login"
_PASSWORD: Final = "/password"  # noqa: S105 -- a path


@dataclass(frozen=True)
class AccountPages:
    """The pages where people log in and out and change their password.

    ``first_password`` is the file of the password that was made for the first
    administrator.
    """

    database: Database
    identities: Identities
    passwords: Passwords
    browsers: KnownBrowsers
    first_password: Path
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("accounts", __name__)
        routes.add_url_rule(_LOGIN, view_func=self.login)
        routes.add_url_rule(_LOGIN, view_func=self.log_in, methods=["POST"])
        routes.add_url_rule("/logout", view_func=self.log_out, methods=["POST"])
        routes.add_url_rule(_PASSWORD, view_func=self.password)
        routes.add_url_rule(_PASSWORD, view_func=self.change_password, methods=["POST"])
        routes.app_errorhandler(NewPasswordError)(_lead_to_password)
        return routes

    def login(self) -> Response:
        """Show the form, or lead on who is logged in already."""
        destination = local(request.args.get("next"))
        try:
            self.identities.person(may_lack_password=True)
        except NotAuthenticatedError:
            return page("login.html", next=destination, name="")
        return see_other(destination)

    def log_in(self) -> Response:
        """Begin a session."""
        destination = local(request.form.get("next"))
        # Phones begin a field with a capital letter and end it with a blank.
        name = request.form.get("name", "").strip().lower()
        now = int(self.clock())
        try:
            csrf.check()
            user = self.passwords.check(name, request.form.get("password", ""), now=now)
        except (ForgedFormError, TooManyAttemptsError, WrongPasswordError) as error:
            return _again("login.html", error, next=destination, name=name)
        return self._begin(user, see_other(destination), now=now)

    def log_out(self) -> Response:
        """End the session; it is no fault if there is none."""
        try:
            self.identities.current(may_lack_password=True)
        except NotAuthenticatedError:
            return see_other(_LOGIN)
        with self.database.write(may_use_reserve=True) as connection:
            login_sessions.end_by(connection, sessions.current())
        sessions.end()
        return see_other(_LOGIN)

    def password(self) -> Response:
        """Show the form for a new password."""
        try:
            person = self.identities.person(may_lack_password=True)
        except NotAuthenticatedError:
            return see_other(f"{_LOGIN}?next={_PASSWORD}")
        return page("password.html", user=person.user)

    def change_password(self) -> Response:
        """Give a new password; every other session of the user is over."""
        person = self.identities.current(may_lack_password=True)
        now = int(self.clock())
        fields = request.form
        new = fields.get("new", "")
        fault = "" if new == fields.get("again") else "The two new passwords differ."
        if person.user.must_change_password and new == fields.get("current"):
            fault = "Choose another password than the one that was made for you."
        try:
            user = self.passwords.check(
                person.user.name, fields.get("current", ""), now=now
            )
            if not fault:
                user = self.passwords.change(
                    user, new, now=now, with_tokens="tokens" in fields
                )
        except TooManyAttemptsError as error:
            return _again("password.html", error, user=person.user)
        except WrongPasswordError as error:
            return _again(
                "password.html",
                error,
                user=person.user,
                fault="The current password is another one.",
            )
        except AccountError as error:
            fault = f"That is not taken: {error}."
        if fault:
            return page("password.html", status=400, user=person.user, fault=fault)
        if person.user.must_change_password:
            self.first_password.unlink(missing_ok=True)
        answer = self._begin(user, see_other("/"), now=now)
        revoked = " Your tokens are revoked." if "tokens" in fields else ""
        flash("The new password is set. Everywhere else you are logged out." + revoked)
        return answer

    def _begin(self, user: User, answer: Response, *, now: int) -> Response:
        """Log *user* in with what answers the request; the session before ends."""
        with self.database.write() as connection:
            login_sessions.end_by(connection, sessions.current())
            text = login_sessions.begin(
                connection,
                user,
                agent=browsers.name(),
                network=network(),
                now=now,
                life=self.identities.session_life,
            )
        sessions.begin(text)
        self.browsers.remember(answer, user)
        return answer


def _lead_to_password(error: NewPasswordError) -> Response:
    """Lead people to where they choose a password; tell programs."""
    if clients.is_program():
        return problems.refusal(error, is_for_program=True)
    return see_other(_PASSWORD)


def _again(template: str, error: RefusedError, **facts: object) -> Response:
    """Show a form once more, with what was wrong about it."""
    explanation = explain(error)
    title = explanation.title if isinstance(error, TooManyAttemptsError) else ""
    facts.setdefault("fault", f"{title}. {explanation.text}".removeprefix(". "))
    answer = page(template, status=int(explanation.status), **facts)
    answer.headers.update(explanation.headers)
    answer.headers[REASON_HEADER] = error.reason
    return answer
