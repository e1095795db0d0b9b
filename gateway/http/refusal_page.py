"""The parts of a refusal's page that must be the same from Flask and from nginx.

Both render ``web/templates/refusal.html``: Flask for each request
(``gateway/web/problems.py``), nginx's page once, with server-side includes in place of
the values (``nginx/pages/error.html``).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.http.explanations import BAD_REQUEST

if TYPE_CHECKING:
    from gateway.http.explanations import Explanation

#: The pages that a refusal links to, as paths: ``url_for`` would need a request, but
#: nginx's page is rendered without one; and the verdicts pool has no routes of pages.
LOGIN_PATH: Final = "/login"
OPEN_PATH: Final = "/open"

#: Statuses of a link that leads nowhere; the page offers to paste the whole link.
_DEAD_LINK: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


def has_link_form(explanation: Explanation) -> bool:
    """Tell whether the page has the form in which a damaged link can be pasted."""
    return explanation.status in _DEAD_LINK or explanation == BAD_REQUEST


def in_one_line(markup: str) -> str:
    """Return *markup* as ASCII without line breaks, which looks the same.

    A page from Flask must fit into one header, so that nginx can send it after a
    subrequest.
    """
    return " ".join(markup.split()).encode("ascii", "xmlcharrefreplace").decode()
