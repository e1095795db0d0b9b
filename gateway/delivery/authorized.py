"""Verdicts on ``/p/<path>``: files that the site's own application decides about.

nginx asks for a verdict only after the application has permitted the request
(``nginx/snippets/authorize.conf``): only the path is left to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from gateway.delivery.verdict import Delivery, Refusal
from gateway.errors import RefusedError
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.delivery.verdict import InlinePolicy, Verdict
    from gateway.storage.files import Files
    from gateway.storage.media_types import MediaTypes

PREFIX: Final = "/p/"


@dataclass(frozen=True, kw_only=True)
class AuthorizedJudge:
    """Judges requests that the site's application has permitted.

    ``ttl`` is the number of seconds that nginx may cache a verdict.
    """

    files: Files
    types: MediaTypes
    inline: InlinePolicy
    ttl: int

    def judge(self, target: bytes, *, now: float, client: str) -> Verdict:
        """Judge a request for the path *target*.

        *target* is percent-decoded, *now* Unix seconds.  A client may store the file,
        but must ask each time whether it may still use it: the application may answer
        differently.
        """
        del client
        try:
            path = FilePath.decode(target)
            served = self.files.serve(path)
        except RefusedError as error:
            return Refusal(error)
        until = max(int(now) + self.ttl, ceil(now))
        return Delivery(
            content=served.content,
            name=path.name,
            is_inline=self.inline.allows(self.types.of(served.name)),
            max_age=0,
            rate=None,
            valid_until=until if self.ttl else None,
            renew_from=until - (self.ttl > 1) if self.ttl else None,
        )
