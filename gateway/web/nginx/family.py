"""The family that nginx names in each request: Flask answers no route of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request
from werkzeug.exceptions import NotFound

from gateway.http import families
from gateway.http.families import Body, Family
from gateway.web.nginx.verdicts import VERDICT_HEADER

if TYPE_CHECKING:
    from flask import Flask

#: What nginx asks and tells beside an upload, under the upload's family.
ADMIT: Final = "/_admit"
CUT: Final = "/_cut"
#: What it asks before a counted download begins, under the family of that.
BEGIN: Final = "/_begin"


def register(app: Flask) -> None:
    """Let *app* answer each request by the routes of its family alone."""
    app.before_request(check)


def current_family() -> Family | None:
    """Return the family of the current request, or None if no route is to answer it.

    A question for a verdict is about a delivery, and names no family: each header
    makes it slower.  A request without a family came on the socket itself: the probe
    asks for health and readiness alone.
    """
    if VERDICT_HEADER in request.environ:
        asked = families.asked("GET", request.path)
        return asked if asked in {families.SIGNED, families.LEASED} else None
    name = request.headers.get(families.HEADER)
    if name is not None:
        return families.BY_NAME.get(name)
    asked = families.asked(request.method, request.path)
    return asked if asked in {families.HEALTH, families.READINESS} else None


def check() -> None:
    """Raise NotFound unless both the path and the route for it are the family's."""
    family, rule = current_family(), request.url_rule
    if family is None:
        raise NotFound
    if rule is None:
        return  # Flask raises what is wrong: 404 or 405
    if rule.rule in {ADMIT, CUT}:
        is_its_own = family.body is Body.SPOOLED
    elif rule.rule == BEGIN:
        is_its_own = family is families.LEASED
    else:
        texts = (request.path, rule.rule)
        is_its_own = all(families.of(request.method, t) is family for t in texts)
    if not is_its_own:
        raise NotFound
