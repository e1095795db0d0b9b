"""``/login``, ``/logout`` and ``/password``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request, url_for

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
from gateway.http.refusal_page import LOGIN_PATH
from gateway.web import clients, observation, problems
from gateway.web.auth import browsers, csrf, sessions
from gateway.web.auth.passwords import network
from gateway.web.auth.redirects import local
from gateway.web.pages import page, see_login, see_other
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

_PASSWORD: Final = "/password"  # noqa: S105 -- a path


@dataclass(frozen=True)
class AccountPages:
    """The pages to log in, log out and change the password.

    ``first_password`` is the file with the generated password of the first
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
        routes.add_url_rule(LOGIN_PATH, view_func=self.login)
        routes.add_url_rule(LOGIN_PATH, view_func=self.log_in, methods=["POST"])
        routes.add_url_rule("/logout", view_func=self.log_out, methods=["POST"])
        routes.add_url_rule(_PASSWORD, view_func=self.password)
        routes.add_url_rule(_PASSWORD, view_func=self.change_password, methods=["POST"])
        routes.app_errorhandler(NewPasswordError)(_redirect_to_password)
        return routes

    def login(self) -> Response:
        """Show the form, or redirect a user who is already logged in."""
        destination = _destination(request.args.get("next"))
        try:
            self.identities.person(may_lack_password=True)
        except NotAuthenticatedError:
            return page("login.html", next=destination, name="")
        return see_other(destination)

    def log_in(self) -> Response:
        """Log in: start a session."""
        destination = _destination(request.form.get("next"))
        # Phone keyboards capitalize the first letter and append a blank.
        name = request.form.get("name", "").strip().lower()
        now = int(self.clock())
        try:
            csrf.check()
            user = self.passwords.check(name, request.form.get("password", ""), now=now)
        except (ForgedFormError, TooManyAttemptsError, WrongPasswordError) as error:
            return _form_again("login.html", error, next=destination, name=name)
        return self._begin(user, see_other(destination), now=now)

    def log_out(self) -> Response:
        """Log out: end the session, if there is one."""
        try:
            self.identities.current(may_lack_password=True)
        except NotAuthenticatedError:
            return see_other(url_for("accounts.login"))
        with self.database.write(may_use_reserve=True) as connection:
            login_sessions.end_by(connection, sessions.current())
        sessions.end()
        return see_other(url_for("accounts.login"))

    def password(self) -> Response:
        """Show the form for a new password."""
        try:
            person = self.identities.person(may_lack_password=True)
        except NotAuthenticatedError:
            return see_login(url_for("accounts.password"))
        return page("password.html", user=person.user)

    def change_password(self) -> Response:
        """Set a new password and end all other sessions of the user."""
        person = self.identities.current(may_lack_password=True)
        now = int(self.clock())
        fields = request.form
        new = fields.get("new", "")
        fault = (
            "" if new == fields.get("again") else "The two new passwords do not match."
        )
        if person.user.must_change_password and new == fields.get("current"):
            fault = "The new password must differ from the temporary password."
        try:
            user = self.passwords.check(
                person.user.name, fields.get("current", ""), now=now
            )
            if not fault:
                user = self.passwords.change(
                    user, new, now=now, with_tokens="tokens" in fields
                )
        except TooManyAttemptsError as error:
            return _form_again("password.html", error, user=person.user)
        except WrongPasswordError as error:
            return _form_again(
                "password.html",
                error,
                user=person.user,
                fault="The current password is wrong.",
            )
        except AccountError as error:
            fault = f"Invalid new password: {error}."
        if fault:
            return page("password.html", status=400, user=person.user, fault=fault)
        if person.user.must_change_password:
            self.first_password.unlink(missing_ok=True)
        home = url_for("file_pages.listing")
        response = self._begin(user, see_other(home), now=now)
        revoked = " Your API tokens were revoked." if "tokens" in fields else ""
        message = "Your password was changed. You are logged out on all other devices."
        flash(message + revoked)
        return response

    def _begin(self, user: User, response: Response, *, now: int) -> Response:
        """Start a session of *user* with *response*; end the previous session."""
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
        self.browsers.remember(response, user)
        return response


def _redirect_to_password(error: NewPasswordError) -> Response:
    """Redirect a browser to the password page; a program gets the problem."""
    if clients.is_program():
        return problems.refusal(error, is_for_program=True)
    return see_other(url_for("accounts.password"))


def _form_again(template: str, error: RefusedError, **context: object) -> Response:
    """Show a form again with an error message."""
    explanation = explain(error)
    observation.note_refusal(explanation)
    context.setdefault("fault", f"{explanation.title}. {explanation.text}")
    response = page(template, status=int(explanation.status), **context)
    response.headers.update(explanation.headers)
    response.headers[REASON_HEADER] = error.reason
    return response


def _destination(text: str | None) -> str:
    """Return where a login leads: to *text* if it is a path of the gateway."""
    return local(text, url_for("file_pages.listing"))
