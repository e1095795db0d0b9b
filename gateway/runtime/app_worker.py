"""gunicorn's worker of the app pool: its threaded one, less its error pages."""

from gunicorn.workers.gthread import ThreadWorker

from gateway.runtime.unreadable_requests import UnreadableRequestMixin


class AppWorker(UnreadableRequestMixin, ThreadWorker):  # type: ignore[misc]
    """Answers as many requests at a time as it has threads."""
