"""The app pool's gunicorn worker: gthread without gunicorn's error pages."""

from gunicorn.workers.gthread import ThreadWorker

from gateway.runtime.unreadable_requests import UnreadableRequestMixin


class AppWorker(UnreadableRequestMixin, ThreadWorker):  # type: ignore[misc]
    """Handles one request per thread at a time."""
