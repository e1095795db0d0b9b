"""Adds the request's id and its trace to the log records of the application."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from flask import has_request_context, request

from gateway.web.nginx.headers import TRACE_HEADER, request_id
from gateway.web.nginx.verdicts import VERDICT_HEADER

if TYPE_CHECKING:
    from flask import Flask


class _RequestNames(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Append the names to the message, and keep all records."""
        if has_request_context():
            names = {
                "request_id": request.environ.get(VERDICT_HEADER) or request_id(),
                "trace": request.headers.get(TRACE_HEADER, ""),
            }
            text = " ".join(f"{name}={value}" for name, value in names.items() if value)
            record.msg, record.args = f"{record.getMessage()} {text}".rstrip(), ()
        return True


_REQUEST_NAMES: Final = _RequestNames()


def register(app: Flask) -> None:
    """Add the names of requests to all records of *app*'s logger.

    All applications of a process have the same logger, which takes a filter once.
    """
    app.logger.addFilter(_REQUEST_NAMES)
