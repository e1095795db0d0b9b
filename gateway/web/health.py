"""``/healthz`` and ``/readyz``, for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, jsonify

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.storage.tree import FilesTree


def healthz() -> Response:
    """Answer as long as the process runs; no I/O."""
    return _answer({"status": "ok"})


def readyz(tree: FilesTree) -> Callable[[], tuple[Response, int] | Response]:
    """Return the view that tells whether requests can be served."""

    def check() -> tuple[Response, int] | Response:
        if tree.is_readable():
            return _answer({"status": "ok"})
        return _answer({"status": "failing", "failing": ["files"]}), 503

    return check


def _answer(body: dict[str, object]) -> Response:
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response
