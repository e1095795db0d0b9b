"""The two pools of gunicorn's workers."""

from __future__ import annotations

from enum import StrEnum


class Pool(StrEnum):
    """A pool of workers: nginx's location chooses the pool; each has separate URLs."""

    VERDICTS = "verdicts"
    """Verdicts on deliveries: requests in this pool never wait, hash or copy."""
    APP = "app"
    """Uploads, pages and the API: its threads wait for disks and databases."""

    @property
    def socket(self) -> str:
        """The name of the pool's socket in the run folder."""
        return f"{self.value}.sock"
