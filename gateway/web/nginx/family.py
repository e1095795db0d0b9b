"""The family that nginx names in each request; Flask answers only its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request
from werkzeug.exceptions import NotFound

from gateway.http import families
from gateway.http.families import Body, Family
from gateway.web.nginx.verdicts import VERDICT_HEADER

if TYPE_CHECKING:
    from flask import Flask

#: nginx's own requests about an upload, with the upload's family.
ADMIT: Final = "/_admit"
CUT: Final = "/_cut"
#: nginx's own request after it has sent the body of a PUT to a bucket.
COMMIT: Final = "/_commit"
#: nginx's own request before a counted download, with the download's family.
BEGIN: Final = "/_begin"
#: nginx's own request before it shows its own metrics, with the family of the metrics.
PERMIT_METRICS: Final = "/_metrics"


def register(app: Flask) -> None:
    """Let *app* answer each request only with a route of the request's family."""
    app.before_request(check)


def current_family() -> Family | None:
    """Return the family of the current request, or None if no route may answer it.

    A verdict's subrequest names no family, since every header makes it slower: its path
    gives the family of deliveries.  Any other request without a family came directly to
    the socket, from the probe, which requests only health and readiness.
    """
    if VERDICT_HEADER in request.environ:
        family = families.asked("GET", request.path)
        return family if family in families.JUDGED else None
    name = request.headers.get(families.HEADER)
    if name is not None:
        return families.BY_NAME.get(name)
    family = families.asked(request.method, request.path)
    return family if family in {families.HEALTH, families.READINESS} else None


def check() -> None:
    """Raise NotFound unless both path and route belong to the request's family."""
    family, rule = current_family(), request.url_rule
    if family is None:
        raise NotFound
    if rule is None:
        return  # Flask raises 404 or 405
    if rule.rule in {ADMIT, CUT}:
        is_of_family = family.body is Body.SPOOLED
    elif rule.rule == COMMIT:
        is_of_family = family is families.UPLOADS
    elif rule.rule == BEGIN:
        is_of_family = family is families.LEASED
    elif rule.rule == PERMIT_METRICS:
        is_of_family = family is families.METRICS
    else:
        paths = (request.path, rule.rule)
        is_of_family = all(families.of(request.method, p) is family for p in paths)
    if not is_of_family:
        raise NotFound
