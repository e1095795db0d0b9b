"""``/open``: a damaged link is pasted, and leads where it was meant to.

The form needs no token of a session, since it uses no authority: nothing is stored, no
cookie is read, and the answer is a redirect to what the text itself names.  If another
site sends the form, it does no more than a link there would.  So the form works without
cookies, and on a page that nginx shows by itself.

The link's host is not compared.  A gateway may have several names, and the signature
tells its own links; the answer is a path of this site, whatever was pasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request

from gateway.errors import MalformedLinkError, SealedLinkError
from gateway.http.explanations import explain
from gateway.links import unwrap
from gateway.web import clients
from gateway.web.pages import page, see_other
from gateway.web.problems import REASON_HEADER

if TYPE_CHECKING:
    from flask import Response

    from gateway.links.repair import Repair

PATH: Final = "/open"
#: The form is ``paste.html``, which the pages of refusals show, too.
FIELD: Final = "link"
_NONE: Final = (
    "There is no whole link of this site in that text. Copy all of the link, also what "
    "stands on the next line, or ask the sender for a new one."
)


@dataclass(frozen=True)
class OpenPage:
    """The page with the box, and what takes the link."""

    repair: Repair

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("open_page", __name__)
        routes.add_url_rule(PATH, view_func=self.show)
        routes.add_url_rule(PATH, view_func=self.open, methods=["POST"])
        return routes

    def show(self) -> Response:
        """Show the box."""
        return page("open.html", fault="")

    def open(self) -> Response:
        """Lead to the link in the text; show the box once more if there is none."""
        try:
            return see_other(self._found(request.form.get(FIELD, "")))
        except (MalformedLinkError, SealedLinkError) as error:
            if clients.is_program():
                raise
            told = explain(error)
            is_sealed = isinstance(error, SealedLinkError)
            fault = f"{told.title}. {told.text}" if is_sealed else _NONE
            answer = page("open.html", status=int(told.status), fault=fault)
            answer.headers[REASON_HEADER] = error.reason
            return answer

    def _found(self, text: str) -> str:
        for path in unwrap.paths(text):
            url = self.repair.of_pasted(path)
            if url is not None:
                return url
        if unwrap.is_sealed(text):
            raise SealedLinkError
        raise MalformedLinkError("no-link")
