"""``/_admit`` and ``/_cut``: nginx's own requests about an upload.

nginx requests ``/_admit`` before it reads a body.  It requests ``/_cut`` when a request
has ended without an answer, while the received part of the body is still in the spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes

from flask import Blueprint, Response, current_app, request

from gateway.errors import CatalogBusyError, NotServableError, RefusedError
from gateway.http import families
from gateway.web.nginx.family import ADMIT, CUT, current_family
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
    """An endpoint for uploads; its methods get the client's method and decoded path."""

    def admit(self, method: str, path: bytes) -> None:
        """Admit an upload before its body is read, or raise the refusing error."""

    def cut(self, method: str, path: bytes) -> None:
        """Release the reservation of a request that ended without an answer."""


@dataclass(frozen=True)
class Admissions:
    """The views for nginx; ``endpoints`` maps families to their endpoints."""

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
        """Answer 204, or 403 with the refusal for the client in its headers."""
        family = current_family()
        is_for_program = family is not None and family.is_for_programs
        try:
            endpoint, method, path = self._endpoint(family)
            check_encoding()
            endpoint.admit(method, path)
        except RefusedError as error:
            return for_subrequest(refusal(error, is_for_program=is_for_program))
        except CatalogBusyError as error:
            return for_subrequest(busy(error, is_for_program=is_for_program))
        except Exception:
            # (!) No 500: nginx would turn it into 507, which means a full disk.
            current_app.logger.exception("the admission of an upload failed")
            return for_subrequest(unanswered(is_for_program=is_for_program))
        return Response(status=204)

    def cut(self) -> Response:
        """Let the endpoint clean up; nginx ignores the answer."""
        try:
            endpoint, method, path = self._endpoint(current_family())
            endpoint.cut(method, path)
        except RefusedError as error:
            return Response(status=204, headers={REASON_HEADER: error.reason})
        return Response(status=204)

    def _endpoint(self, family: Family | None) -> tuple[UploadEndpoint, str, bytes]:
        """Return the endpoint of *family*, and the client's method and decoded path.

        Raise NotServableError if method and path do not belong to *family*.
        """
        method = request.headers.get(ORIGINAL_METHOD_HEADER, "")
        path = unquote_to_bytes(original_path())
        if family is None or families.of(method, path.decode("latin-1")) is not family:
            raise NotServableError("no-upload")
        return self.endpoints[family], method, path
