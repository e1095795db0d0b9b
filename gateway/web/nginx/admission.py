"""``/_admit`` and ``/_cut``: what nginx asks and tells beside an upload.

``/_admit`` is asked before a body is read.  ``/_cut`` is told when a request is
over without its answer having arrived, while what came of its body is still
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes

from flask import Blueprint, Response, current_app, request

from gateway.errors import CatalogBusyError, NotServableError, RefusedError
from gateway.http import families
from gateway.web.nginx.family import ADMIT, CUT, named
from gateway.web.nginx.headers import (
    ORIGINAL_METHOD_HEADER,
    check_encoding,
    original_path,
)
from gateway.web.problems import (
    REASON_HEADER,
    busy,
    for_subrequest,
    refusal,
    unanswered,
)

if TYPE_CHECKING:
    from gateway.http.families import Family


class UploadEndpoint(Protocol):
    """One way in; it is asked and told with the method and the decoded path."""

    def admit(self, method: str, path: bytes) -> None:
        """Let a body come, or raise why not."""

    def cut(self, method: str, path: bytes) -> None:
        """Take note that a request is over without its answer."""


@dataclass(frozen=True)
class Admissions:
    """The views that nginx asks; ``endpoints`` are by their families."""

    endpoints: dict[Family, UploadEndpoint]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("admission", __name__)
        routes.add_url_rule(ADMIT, view_func=self.admit)
        routes.add_url_rule(
            CUT, view_func=self.cut, methods=["GET", "PUT", "POST", "PATCH"]
        )
        return routes

    def admit(self) -> Response:
        """Answer 204, or 403 with what the client is to be told."""
        family = named()
        is_for_program = family is not None and family.is_for_programs
        try:
            endpoint, method, path = self._asked(family)
            check_encoding()
            endpoint.admit(method, path)
        except RefusedError as error:
            return for_subrequest(refusal(error, is_for_program=is_for_program))
        except CatalogBusyError as error:
            return for_subrequest(busy(error, is_for_program=is_for_program))
        except Exception:
            # (!) Of a 500 nginx would make 507: the disk is full.
            current_app.logger.exception("an upload could not be decided about")
            return for_subrequest(unanswered(is_for_program=is_for_program))
        return Response(status=204)

    def cut(self) -> Response:
        """Take note, keep what can be kept, and answer nobody."""
        try:
            endpoint, method, path = self._asked(named())
            endpoint.cut(method, path)
        except RefusedError as error:
            return Response(status=204, headers={REASON_HEADER: error.reason})
        return Response(status=204)

    def _asked(self, family: Family | None) -> tuple[UploadEndpoint, str, bytes]:
        """Return who is asked, and the method and path that the client sent.

        Raise NotServableError if they are not of the family that nginx has named.
        """
        method = request.headers.get(ORIGINAL_METHOD_HEADER, "")
        path = unquote_to_bytes(original_path())
        if family is None or families.of(method, path.decode("latin-1")) is not family:
            raise NotServableError("no-upload")
        return self.endpoints[family], method, path
