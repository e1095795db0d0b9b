"""``/sessions``: where a person is logged in, and the end of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request

from gateway.catalog import login_sessions
from gateway.errors import NotAuthenticatedError
from gateway.web.auth import csrf
from gateway.web.pages import page, see_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.web.auth.identity import Identities

PATH: Final = "/sessions"


@dataclass(frozen=True)
class SessionPages:
    """The page of a person's sessions."""

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
        """Show the sessions, the last used one first."""
        try:
            person = self.identities.person()
        except NotAuthenticatedError:
            return see_other(f"/login?next={PATH}")
        now = int(self.clock())
        with self.database.read() as connection:
            found = login_sessions.of_user(connection, person.user, now=now)
        rows = [
            {
                "id": session.id,
                "agent": session.agent,
                "network": session.network,
                "created": session.created,
                "last_seen": session.last_seen,
                "is_this": session.id == person.session_id,
            }
            for session in found
        ]
        return page("sessions.html", user=person.user, sessions=rows)

    def end(self) -> Response:
        """End one session of the person, or all but this one."""
        person = self.identities.person()
        csrf.check()
        chosen = request.form.get("id", "")
        with self.database.write(may_use_reserve=True) as connection:
            if chosen:
                login_sessions.end(connection, person.user, chosen)
            else:
                login_sessions.end_all(connection, person.user, but=person.session_id)
        flash("Ended." if chosen else "Everywhere else you are logged out.")
        return see_other(PATH)
