"""``/sessions``: the devices on which a user is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request, url_for

from gateway.catalog import login_sessions
from gateway.errors import NotAuthenticatedError
from gateway.web.auth import csrf
from gateway.web.pages import page, see_login, see_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.web.auth.identity import Identities

PATH: Final = "/sessions"


@dataclass(frozen=True)
class SessionPages:
    """The page of a user's sessions."""

    database: Database
    identities: Identities
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("session_pages", __name__, url_prefix=PATH)
        routes.add_url_rule("", view_func=self.show)
        routes.add_url_rule("/end", view_func=self.end, methods=["POST"])
        return routes

    def show(self) -> Response:
        """Show the sessions, the most recently used first."""
        try:
            person = self.identities.person()
        except NotAuthenticatedError:
            return see_login(url_for("session_pages.show"))
        now = int(self.clock())
        with self.database.read() as connection:
            current = login_sessions.of_user(connection, person.user, now=now)
        rows = [
            {
                "id": session.id,
                "agent": session.agent,
                "network": session.network,
                "created": session.created,
                "last_seen": session.last_seen,
                "is_this": session.id == person.session_id,
            }
            for session in current
        ]
        return page("sessions.html", user=person.user, sessions=rows)

    def end(self) -> Response:
        """End one session of the user, or all except the current one."""
        person = self.identities.person()
        csrf.check()
        chosen = request.form.get("id", "")
        with self.database.write(may_use_reserve=True) as connection:
            if chosen:
                login_sessions.end(connection, person.user, chosen)
            else:
                login_sessions.end_all(connection, person.user, but=person.session_id)
        flash(
            "The session was ended."
            if chosen
            else "You are logged out on all other devices."
        )
        return see_other(url_for("session_pages.show"))
