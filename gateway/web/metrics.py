"""``/metrics``: numbers for Prometheus, for this machine or with a token."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from gateway.catalog.tokens import Scope
from gateway.errors import RefusedError
from gateway.http.explanations import NOT_FOUND
from gateway.metrics.exposition import CONTENT_TYPE
from gateway.web import observation
from gateway.web.auth.identity import has_bearer
from gateway.web.nginx.family import PERMIT_METRICS
from gateway.web.nginx.verdicts import CLIENT_ADDRESS

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from gateway.metrics.exposition import Exposition
    from gateway.web.auth.identity import Identities

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True)
class Metrics:
    """The views of the metrics: of all processes, and of *gauges*."""

    identities: Identities
    exposition: Exposition
    gauges: Collector

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("metrics", __name__)
        routes.add_url_rule(
            "/metrics",
            view_func=self.show,
            # Flask's own answer to OPTIONS would show that there is something.
            methods=["GET", "OPTIONS"],
        )
        routes.add_url_rule(PERMIT_METRICS, view_func=self.permit)
        return routes

    def show(self) -> Response:
        """Return all metrics as text; raise NotFound for clients that may not read."""
        if not self._is_permitted():
            raise NotFound
        return Response(self.exposition.text(self.gauges), content_type=CONTENT_TYPE)

    def permit(self) -> Response:
        """Tell nginx whether the client may read ``/metrics/nginx``: 204 or 403."""
        if self._is_permitted():
            return Response(status=204)
        observation.note_refusal(NOT_FOUND)
        return Response(status=403)

    def _is_permitted(self) -> bool:
        """Return whether the client is on this machine, or has a token with the scope.

        Raise CatalogBusyError if a token can't be checked.
        """
        if _is_loopback(request.environ.get(CLIENT_ADDRESS, "")):
            return True
        if not has_bearer():
            return False
        try:
            self.identities.current().require(Scope.METRICS)
        except RefusedError:
            return False
        return True


def _is_loopback(address: str) -> bool:
    """Return whether nginx names one of this machine's own addresses.

    (!) Not all of 127.0.0.0/8: nginx's part of the metrics has the same two addresses.
    """
    try:
        client = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)
    return str(mapped or client) in _LOOPBACK
