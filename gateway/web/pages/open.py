"""``/open``: the user pastes a damaged link and is redirected to the repaired link.

The form needs no CSRF token, because it uses no authority: it stores nothing, reads no
cookie, and redirects to the link in the text.  If another site sends the form, the
effect is that of a link on that site.  So the form works without cookies, and on pages
that nginx sends without Flask.

The host of the link is ignored, and so is the path prefix.  A gateway may have several
names, and the signature identifies its own links; the redirect always goes to a path of
this gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request, url_for

from gateway.errors import MalformedLinkError, SealedLinkError
from gateway.http.explanations import explain
from gateway.http.refusal_page import OPEN_PATH
from gateway.links import unwrap
from gateway.web import clients, observation
from gateway.web.pages import page, see_other
from gateway.web.path_prefix import prefixed
from gateway.web.problems import REASON_HEADER

if TYPE_CHECKING:
    from flask import Response

    from gateway.links.repair import Repair

#: The field of ``_open_link_form.html``, which refusals show, too.
FIELD: Final = "link"
_NO_LINK: Final = (
    "The text does not contain a complete link of this site. Copy the whole link, "
    "even if it continues on the next line, or ask the sender for a new link."
)


@dataclass(frozen=True)
class OpenPage:
    """The page with the form for a damaged link."""

    repair: Repair

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("open_page", __name__)
        routes.add_url_rule(OPEN_PATH, view_func=self.show)
        routes.add_url_rule(OPEN_PATH, view_func=self.open, methods=["POST"])
        return routes

    def show(self) -> Response:
        """Show the form."""
        return self._page()

    def open(self) -> Response:
        """Redirect to the link in the text, or show the form with an error message."""
        try:
            return see_other(prefixed(self._repaired(request.form.get(FIELD, ""))))
        except (MalformedLinkError, SealedLinkError) as error:
            if clients.is_program():
                raise
            explanation = explain(error)
            observation.note_refusal(explanation)
            is_sealed = isinstance(error, SealedLinkError)
            sealed = f"{explanation.title}. {explanation.text}"
            response = self._page(
                status=int(explanation.status), fault=sealed if is_sealed else _NO_LINK
            )
            response.headers[REASON_HEADER] = error.reason
            return response

    def _page(self, *, status: int = 200, fault: str = "") -> Response:
        open_url = url_for("open_page.open")
        return page("open.html", status=status, fault=fault, open_url=open_url)

    def _repaired(self, text: str) -> str:
        """Return the path of the first link in *text* that the gateway recognizes.

        The path is without the prefix; that of the pasted link is ignored, as its host.

        Raise SealedLinkError or MalformedLinkError if there is none.
        """
        for path in unwrap.paths(text):
            url = self.repair.of_pasted(path)
            if url is not None:
                return url
        if unwrap.is_sealed(text):
            raise SealedLinkError
        raise MalformedLinkError("no-link")
