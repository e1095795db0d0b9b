"""``/_admit`` and ``/_cut``: what nginx asks and tells beside an upload.

``/_admit`` is asked before a body is read.  ``/_cut`` is told when a request is
over without its answer having arrived, while what came of its body is still
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from flask import Response, request

from gateway.errors import CatalogBusyError, NotServableError, RefusedError
from gateway.web.refusals import REASON_HEADER, busy, notice, problem
from gateway.web.spooled import ORIGINAL_METHOD_HEADER, original_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.web.refusals import Said

#: What the admission's answer carries for nginx to show instead of the upload's.
STATUS_HEADER: Final = "X-Admission-Status"
BODY_HEADER: Final = "X-Admission-Body"


@dataclass(frozen=True)
class Door:
    """One way in: what asks and what is told, with the method and decoded path.

    With *is_for_people* a refusal is said by a page, not by a problem.
    """

    admit: Callable[[str, bytes], None]
    cut: Callable[[str, bytes], None]
    is_for_people: bool = False


@dataclass(frozen=True)
class Admissions:
    """The views that nginx asks; ``doors`` are by the prefix of their paths."""

    doors: dict[str, Door]

    def admit(self) -> Response:
        """Answer 204, or 403 with what the client is to be told.

        The status and the problem travel in headers: such a subrequest may
        itself answer only 2xx, 401 or 403.
        """
        say = problem
        try:
            door, path = self._door()
            say = notice if door.is_for_people else problem
            door.admit(request.headers.get(ORIGINAL_METHOD_HEADER, ""), path)
        except RefusedError as error:
            return _not_admitted(say(error), error.reason)
        except CatalogBusyError:
            return _not_admitted(busy(), "catalog-busy")
        return Response(status=204)

    def cut(self) -> Response:
        """Take note, keep what can be kept, and answer nobody."""
        try:
            door, path = self._door()
            door.cut(request.headers.get(ORIGINAL_METHOD_HEADER, ""), path)
        except RefusedError as error:
            return Response(status=204, headers={REASON_HEADER: error.reason})
        return Response(status=204)

    def _door(self) -> tuple[Door, bytes]:
        path = unquote_to_bytes(original_path())
        for prefix, door in self.doors.items():
            if path.startswith(prefix.encode()):
                return door, path
        raise NotServableError("no-upload")


def _not_admitted(said: Said, reason: str) -> Response:
    answer = Response(status=403)
    answer.headers[STATUS_HEADER] = str(said.status)
    answer.headers[BODY_HEADER] = said.body
    answer.headers[REASON_HEADER] = reason
    return answer
