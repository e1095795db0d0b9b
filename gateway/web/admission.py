"""``/_admit`` and ``/_cut``: what nginx asks and tells beside an upload.

``/_admit`` is asked before a body is read.  ``/_cut`` is told when a request is
over without its answer having arrived, while what came of its body is still
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from flask import Response, request

from gateway.errors import CatalogBusyError, NotServableError, RefusedError
from gateway.web.refusals import REASON_HEADER, busy, carried, refusal
from gateway.web.spooled import ORIGINAL_METHOD_HEADER, original_path

if TYPE_CHECKING:
    from collections.abc import Callable


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
        """Answer 204, or 403 with what the client is to be told."""
        is_for_program = True
        try:
            door, path = self._door()
            is_for_program = not door.is_for_people
            door.admit(request.headers.get(ORIGINAL_METHOD_HEADER, ""), path)
        except RefusedError as error:
            return carried(refusal(error, is_for_program=is_for_program))
        except CatalogBusyError:
            return carried(busy(is_for_program=is_for_program))
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
