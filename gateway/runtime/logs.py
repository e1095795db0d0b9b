"""Keeping tokens out of every log, and clients' faults out of the errors.

nginx's access log blanks tokens itself (``nginx/conf.d/logging.conf``).  Its
error log quotes request lines and can't be told not to, and a worker's
exceptions quote paths: both pass through the rules here.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

BLANK: Final = "[redacted]"


@dataclass(frozen=True)
class Rule:
    """What is replaced in each line of a log.

    Both texts are of the syntax that Python's ``re`` and ``sed -E`` share: in nginx's
    container sed applies the same rules (``nginx/redact.sed``).
    """

    pattern: str
    replacement: str

    def apply(self, text: str) -> str:
        """Return *text* with every match replaced."""
        return re.sub(self.pattern, self.replacement, text)


# The URL families whose first segment permits something, and whatever looks like
# a MAC wherever it stands: without its MAC a link is worth nothing.  Who reads the
# log can decode what a client has disguised, `%73` for `s` or `%252E` for a dot.
_TOKENS: Final = (
    Rule(
        r"((/|%(25)*2[Ff])([sdluSDLU]|%(25)*(53|73|[46]4|[46][Cc]|[57]5))(/|%(25)*2[Ff])+)"
        r"[^]/ \t\n\r\f\v\"'?,[]+",
        rf"\1{BLANK}",
    ),
    Rule(
        r"(\.|%(25)*2[Ee])"
        r"([A-Za-z0-9_-]|%(25)*(2[Dd]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])){22}",
        rf"\1{BLANK}",
    ),
    # A bearer token: `gwt_`, its id and its secret.
    Rule(r"(gwt(_|%(25)*5[Ff]))[A-Za-z0-9_%-]+", rf"\1{BLANK}"),
)
# What a client did wrong is nobody's error here.  nginx says most of it as
# [info], and some of it, as its own 413, as [error].  That a download runs for
# longer than its verdict is kept is no alert either.
_CLIENTS_FAULT: Final = Rule(
    r"^([0-9/]{10} [0-9:]{8} )\[(error|alert)\]( [0-9]+#[0-9]+: (\*[0-9]+ )?"
    r"(client |access forbidden by rule|ignore long locked inactive cache entry ))",
    r"\1[info]\3",
)
RULES: Final = (_CLIENTS_FAULT, *_TOKENS)


def redact_line(line: str) -> str:
    """Return a line of nginx's or gunicorn's as the log is to have it."""
    return redact(_CLIENTS_FAULT.apply(line))


def redact(text: str) -> str:
    """Blank the tokens of all URLs in *text*."""
    for rule in _TOKENS:
        text = rule.apply(text)
    return text


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
