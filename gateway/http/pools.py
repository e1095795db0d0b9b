"""The two pools of gunicorn's workers."""

from __future__ import annotations

from enum import StrEnum


class Pool(StrEnum):
    """Who answers: nginx's location decides, and each pool knows its own URLs alone."""

    VERDICTS = "verdicts"
    """Short questions about deliveries: nothing here waits, hashes or copies."""
    APP = "app"
    """Uploads, pages and the API: its threads wait for disks and databases."""

    @property
    def socket(self) -> str:
        """The name of its socket in the run folder."""
        return f"{self.value}.sock"
