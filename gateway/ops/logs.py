"""Keeping tokens out of every log, and clients' faults out of the errors.

nginx's access log blanks tokens itself (``nginx/conf.d/logging.conf``).  Its
error log quotes request lines and can't be told not to, and a worker's
exceptions quote paths: both pass through ``redact``.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

BLANK: Final = "[redacted]"
# The URL families whose first segment permits something, and whatever looks like
# a MAC wherever it stands: without its MAC a link is worth nothing.  Who reads the
# log can decode what a client has disguised, `%73` for `s` or `%252E` for a dot.
# ``nginx/redact.sed`` has the same two.
_TOKEN: Final = re.compile(
    r"((?:/|%(?:25)*2[Ff])(?:[sdlu]|%(?:25)*(?:73|64|6[Cc]|75))(?:/|%(?:25)*2[Ff])+)"
    r"[^\]/\s\"'?,[]+"
)
_MAC: Final = re.compile(
    r"(\.|%(?:25)*2[Ee])"
    r"(?:[A-Za-z0-9_-]|%(?:25)*(?:2[Dd]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])){22}"
)


# What a client did wrong is nobody's error here.  nginx says most of it as
# [info], and some of it, as its own 413, as [error].  That a download runs for
# longer than its verdict is kept is no alert either.
# ``nginx/redact.sed`` has the same rule.
_CLIENT: Final = re.compile(
    r"^([0-9/]{10} [0-9:]{8} )\[(?:error|alert)\]"
    r"(?= [0-9]+#[0-9]+: (?:\*[0-9]+ )?(?:client |access forbidden by rule"
    r"|ignore long locked inactive cache entry ))"
)


def passed_on(line: str) -> str:
    """Return a line of nginx's or gunicorn's as the log is to have it."""
    return redact(_CLIENT.sub(r"\1[info]", line))


def redact(text: str) -> str:
    """Blank the tokens of all URLs in *text*."""
    return _MAC.sub(rf"\1{BLANK}", _TOKEN.sub(rf"\1{BLANK}", text))


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then blanks tokens."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line without tokens."""
        return redact(super().format(record))


def gunicorn_logging() -> dict[str, Any]:
    """Return what gunicorn logs, for ``dictConfig``: one redacted stream on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "redacted": {
                "()": RedactingFormatter,
                "format": "%(asctime)s gunicorn[%(process)d] %(levelname)s %(message)s",
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "redacted",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {
                "level": "INFO",
                "handlers": ["stderr"],
                "propagate": False,
            },
            "gunicorn.access": {"level": "CRITICAL", "propagate": False},
        },
    }
