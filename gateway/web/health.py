"""``/healthz`` and ``/readyz``, for monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from gateway.catalog.revision import is_usable
from gateway.errors import BucketBusyError, CatalogBusyError
from gateway.web.outages import BUCKET_OUTAGES, OUTAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.storage.files import Files


def liveness() -> Blueprint:
    """Return the route of ``/healthz``."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        """Answer while the process runs, without I/O."""
        return jsonify({"status": "ok"})

    return routes


def readiness(
    files: Files,
    database: Database,
    store: BlobStore,
    blobs: Blobs,
    answers_verdicts: Callable[[], bool],
) -> Blueprint:
    """Return the route of ``/readyz``; it checks the arguments."""
    routes = Blueprint("readiness", __name__)

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int] | Response:
        """Return 200 if both pools can serve requests, else 503 with the reasons."""
        states = {
            "files": _answers(files.is_readable),
            "catalog": _is_ready(database),
            "store": store.is_writable(),
            "blobs": _answers(blobs.is_writable),
            "verdicts": answers_verdicts(),
        }
        failing = [name for name, is_good in states.items() if not is_good]
        if failing:
            return jsonify({"status": "failing", "failing": failing}), 503
        return jsonify({"status": "ok"})

    return routes


def _answers(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except BucketBusyError as error:
        BUCKET_OUTAGES.log(error)
        return False


def _is_ready(database: Database) -> bool:
    try:
        database.check_writable()
        return is_usable(database)
    except CatalogBusyError as error:
        OUTAGES.log(error)
        return False
