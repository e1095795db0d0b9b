"""Redaction: no tokens in any log, and no client errors logged as errors.

nginx redacts tokens in its access log itself (``nginx/conf.d/logging.conf``).  Its
error log quotes request lines, which can't be switched off, and exceptions of workers
quote paths: both are passed through the rules here.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

BLANK: Final = "[redacted]"


@dataclass(frozen=True)
class Rule:
    """A substitution that is applied to each line of a log.

    Pattern and replacement use the syntax that Python's ``re`` and ``sed -E`` share: in
    nginx's container sed applies the same rules (``nginx/redact.sed``).
    """

    pattern: str
    replacement: str

    def apply(self, text: str) -> str:
        """Return *text* with every match replaced."""
        return re.sub(self.pattern, self.replacement, text)


# The tokens in URLs of the families that have one, and any text that looks like a MAC:
# a link without its MAC is useless.  Percent-encoded forms, `%73` for
# `s` or `%252E` for a dot, are redacted too, since a reader of the log can decode them.
_TOKENS: Final = (
    # A presigned URL of a bucket, in nginx's errors about its server.
    Rule(r"([?&]X-Amz-[A-Za-z-]+=)[^& \t\"']+", rf"\1{BLANK}"),
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
# A client's mistake is not an error of the gateway.  nginx logs most such mistakes as
# [info], but some, such as its own 413, as [error].  nginx also logs an [alert] for a
# download that runs longer than its verdict is cached: this is not an error either.
_CLIENTS_FAULT: Final = Rule(
    r"^([0-9/]{10} [0-9:]{8} )\[(error|alert)\]( [0-9]+#[0-9]+: (\*[0-9]+ )?"
    r"(client |access forbidden by rule|ignore long locked inactive cache entry ))",
    r"\1[info]\3",
)
RULES: Final = (_CLIENTS_FAULT, *_TOKENS)


def redact_line(line: str) -> str:
    """Return a line of nginx's or gunicorn's output, changed for the log."""
    return redact(_CLIENTS_FAULT.apply(line))


def redact(text: str) -> str:
    """Return *text* with all tokens redacted."""
    for rule in _TOKENS:
        text = rule.apply(text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then redacts tokens."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted record without tokens."""
        return redact(super().format(record))


def gunicorn_logging() -> dict[str, Any]:
    """Return gunicorn's ``dictConfig``: one redacted stream to stderr."""
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
