"""gunicorn's logger, with tokens blanked and no access log."""

from __future__ import annotations

import logging.config
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger

from gateway.runtime.logs import gunicorn_logging

if TYPE_CHECKING:
    from gunicorn.config import Config


class RedactingLogger(Logger):  # type: ignore[misc]
    """Writes one redacted stream on stderr.

    Were the same configuration given as gunicorn's setting ``logconfig_dict``, it
    would put together what an access log says of each request, which takes 10 us,
    and then not log it.
    """

    def setup(self, cfg: Config) -> None:
        """Set up, at the start and at each reload."""
        super().setup(cfg)
        logging.config.dictConfig(gunicorn_logging())
