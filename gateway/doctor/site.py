"""What the checks from outside know about the deployment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from gateway.delivery.served_files import served_files
from gateway.errors import BucketBusyError
from gateway.links import LinkSigner
from gateway.ownership import Owner
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config.settings import Settings
    from gateway.doctor.client import Client
    from gateway.doctor.target import Target
    from gateway.links import KeyRing
    from gateway.storage.files import FoundFile
    from gateway.storage.places import Places

#: No client has this address (RFC 5737).
NOBODY: Final = "192.0.2.1"
#: Why checks that need refusals can't be made behind such a proxy.
REPLACED: Final = "a proxy replaces the gateway's refusals"
#: A name that no file has.
NO_FILE: Final = "gateway-doctor.none"
#: The proxy's log contains the links that the doctor requests: they end soon.
_LIFE: Final = timedelta(minutes=2)
#: How many files to choose from.
_FILES: Final = 200
#: Proxies compress text of some size.
_TEXTS: Final = (".css", ".csv", ".html", ".js", ".json", ".md", ".svg", ".txt", ".xml")
_TEXT_SIZES: Final = range(1024, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway that ``client`` reaches; ``clock`` returns Unix seconds.

    ``settings`` are those of the machine, or None if only the URL is known.  Links
    begin with the address ``links_begin``, and ``files`` are the places that are
    served; None means that they are not known.
    """

    client: Client
    clock: Callable[[], float]
    settings: Settings | None = None
    links_begin: Target | None = None
    files: Places | None = None
    are_refusals_replaced: bool = False

    @property
    def why_no_links(self) -> str:
        """Why no link can be signed for a check; empty if one can."""
        if self.settings is None:
            return "no link can be signed without the gateway's keys"
        ring = self.settings.keys
        if ring is None:
            return "no link can be signed: there are no keys on this machine"
        if ring.newest.restriction is not None:
            return "no link can be signed: all keys are restricted"
        if self.are_refusals_replaced:
            return REPLACED
        if not self.client.is_verifying:
            return "no link is sent to a server without a valid certificate"
        return ""

    @cached_property
    def file(self) -> str | None:
        """A file that the gateway can deliver, to try with; None if there is none."""
        if self.settings is None or self.files is None:
            return None
        owner, places = Owner.of(self.settings.data), self.files
        files = served_files(places, self.settings.bucket_server, self.settings.data)
        try:
            candidates = files.below(FilePath(""), most=_FILES)
        except BucketBusyError:  # the check of the bucket says so
            return None
        found = [
            file
            for file in candidates
            if file.size
            and (
                (path := places.on_disk(file.path.text)) is None or owner.can_read(path)
            )
        ]
        best = min(found, key=_effort, default=None)
        return None if best is None else best.path.text

    @cached_property
    def foreign_status(self) -> int:
        """The status of ``foreign_link`` for this client: 403 if its key is known."""
        return self.client.ask(self.foreign_link, "HEAD").status

    @cached_property
    def foreign_link(self) -> str:
        """A link to a file that does not exist, for the address NOBODY only."""
        return self.link(NO_FILE, networks=[NOBODY])

    def link(self, path: str, **claims: Any) -> str:  # noqa: ANN401 -- of LinkSigner
        """Return a link, as a path below the target's prefix, that ends soon.

        Raise ValueError if there is a reason why no link can be signed.
        """
        ring: KeyRing | None = self.settings.keys if self.settings else None
        if ring is None:
            raise ValueError(self.why_no_links)
        return LinkSigner(ring, "", clock=self.clock).sign(
            path, expires=_LIFE, **claims
        )


def _effort(file: FoundFile) -> tuple[bool, int]:
    is_text = file.path.text.lower().endswith(_TEXTS) and file.size in _TEXT_SIZES
    return not is_text, file.size
