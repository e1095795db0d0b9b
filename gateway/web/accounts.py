"""``/login``, ``/logout`` and ``/password``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request

from gateway.errors import (
    AccountError,
    ForgedFormError,
    NotAuthenticatedError,
    RefusedError,
    WrongPasswordError,
)
from gateway.explanations import explain
from gateway.web import csrf, sessions
from gateway.web.destinations import local
from gateway.web.pages import page, see_other
from gateway.web.refusals import REASON_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.web.identity import Identities
    from gateway.web.passwords import Passwords

_LOGIN: Final = "/login"


@dataclass(frozen=True)
class AccountPages:
    """The pages where people log in and out and change their password."""

    database: Database
    identities: Identities
    passwords: Passwords
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("accounts", __name__)
        routes.add_url_rule("/login", view_func=self.login)
        routes.add_url_rule("/login", view_func=self.log_in, methods=["POST"])
        routes.add_url_rule("/logout", view_func=self.log_out, methods=["POST"])
        routes.add_url_rule("/password", view_func=self.password)
        routes.add_url_rule(
            "/password", view_func=self.change_password, methods=["POST"]
        )
        return routes

    def login(self) -> Response:
        """Show the form, or lead on who is logged in already."""
        destination = local(request.args.get("next"))
        try:
            self.identities.person()
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
        except (ForgedFormError, WrongPasswordError) as error:
            return _again("login.html", error, next=destination, name=name)
        sessions.begin(user, now=now)
        return see_other(destination)

    def log_out(self) -> Response:
        """End the session; it is no fault if there is none."""
        try:
            self.identities.current()
        except NotAuthenticatedError:
            return see_other(_LOGIN)
        sessions.end()
        return see_other(_LOGIN)

    def password(self) -> Response:
        """Show the form for a new password."""
        try:
            person = self.identities.person()
        except NotAuthenticatedError:
            return see_other(f"{_LOGIN}?next=/password")
        return page("password.html", user=person.user)

    def change_password(self) -> Response:
        """Give a new password; every other session of the user is over."""
        person = self.identities.current()
        now = int(self.clock())
        fields = request.form
        new = fields.get("new", "")
        fault = "" if new == fields.get("again") else "The two new passwords differ."
        try:
            user = self.passwords.check(
                person.user.name, fields.get("current", ""), now=now
            )
            if not fault:
                user = self.passwords.change(user, new)
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
        sessions.begin(user, now=now)
        flash("The new password is set. Everywhere else you are logged out.")
        return see_other("/")


def _again(template: str, error: RefusedError, **facts: object) -> Response:
    """Show a form once more, with what was wrong about it."""
    explanation = explain(error)
    facts.setdefault("fault", explanation.text)
    answer = page(template, status=int(explanation.status), **facts)
    answer.headers[REASON_HEADER] = error.reason
    return answer
