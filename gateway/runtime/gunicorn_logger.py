"""gunicorn's logger, with tokens redacted and without an access log."""

from __future__ import annotations

import logging.config
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger

from gateway.runtime.logs import gunicorn_logging

if TYPE_CHECKING:
    from gunicorn.config import Config


class RedactingLogger(Logger):  # type: ignore[misc]
    """Writes one redacted stream to stderr.

    With the same configuration in gunicorn's setting ``logconfig_dict``, gunicorn
    would format an access log record for each request, which takes 10 us, and then
    discard it.
    """

    def setup(self, cfg: Config) -> None:
        """Configure logging; gunicorn calls this at the start and at each reload."""
        super().setup(cfg)
        logging.config.dictConfig(gunicorn_logging())
