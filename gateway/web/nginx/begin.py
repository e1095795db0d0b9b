"""``/_begin``: nginx requests it when a GET of a counted download starts.

The workers that give verdicts write nothing to the catalog.  So if a lease is not spent
yet and can still lose its slot, nginx sends its GET to this view, which records the
start.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from flask import Blueprint, request

from gateway.catalog import leases
from gateway.catalog.leases import BegunRequest
from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Begin, Refusal
from gateway.errors import NotServableError
from gateway.http import families
from gateway.shares.codes import LEASE_PREFIX
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.family import BEGIN
from gateway.web.nginx.headers import original_path, request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.shares.leased import LeaseJudge

#: The header in which nginx names its current run (``nginx/ledger.sh``).
RUN_HEADER: Final = "X-Gateway-Run"
_RUN_LENGTH: Final = 64


@dataclass(frozen=True)
class DownloadStarts:
    """The view for nginx; ``gateway`` is the id of the gateway that nginx belongs to.

    ``clock`` returns Unix seconds.
    """

    judge: LeaseJudge
    database: Database
    gateway: str
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("begin", __name__)
        routes.add_url_rule(BEGIN, view_func=self.begin)
        return routes

    def begin(self) -> Response:
        """Record the start of a GET, then answer with the file for nginx to send.

        HEAD starts no download, and nothing is recorded.
        """
        path = unquote_to_bytes(original_path())
        if families.of(request.method, path.decode("latin-1")) is not families.LEASED:
            raise NotServableError("no-lease")
        now = self.clock()
        target = path.removeprefix(LEASE_PREFIX.encode())
        verdict = self.judge.judge(target, now=now, client="")
        if isinstance(verdict, Refusal):
            raise verdict.error
        if isinstance(verdict, Begin):
            if request.method == "GET":
                with self.database.write() as connection:
                    leases.begin(
                        connection, verdict.lease_id, self._request(), now=int(now)
                    )
            verdict = verdict.delivery
        return EmptyResponse(headers=accel_headers(verdict))

    def _request(self) -> BegunRequest:
        return BegunRequest(
            id=request_id() or secrets.token_hex(16),
            gateway=self.gateway,
            run=request.headers.get(RUN_HEADER, "")[:_RUN_LENGTH],
        )
