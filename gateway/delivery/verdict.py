"""The gateway's answer to one request: deliver, and how, or refuse, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import RefusedError
from gateway.links import policy, signed_url
from gateway.links.claims import Presentation
from gateway.storage.media_types import MediaTypes, is_inert
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.links import KeyRing
    from gateway.storage.tree import FilesTree


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Send this file.

    ``target`` is its symlink-free path below the files tree, ``name`` what a
    browser saves it as, ``max_age`` the seconds that the client may keep it,
    ``rate`` bytes a second or None for full speed.
    """

    target: FilePath
    name: str
    is_inline: bool
    max_age: int
    rate: int | None


@dataclass(frozen=True)
class Refusal:
    """Send no file; the error tells why."""

    error: RefusedError


Verdict = Delivery | Refusal


@dataclass(frozen=True, kw_only=True)
class SignedURLJudge:
    """Judges requests for signed URLs.

    ``cache_cap`` bounds the seconds that a client may keep a file;
    ``inline_types`` are media types that the operator lets browsers show
    although they could run script.
    """

    ring: KeyRing
    tree: FilesTree
    types: MediaTypes
    cache_cap: int
    inline_types: frozenset[str] = frozenset()

    def judge(self, token: str, raw_path: bytes, *, now: float, client: str) -> Verdict:
        """Judge one request; *raw_path* is percent-decoded, *now* Unix seconds.

        The signature is checked before anything else is looked at, so that
        without one nothing can be learnt of what lies in the tree.
        """
        try:
            path = FilePath.decode(raw_path)
            claims = signed_url.verify(self.ring, token, path.text).claims
            policy.check(claims, now=now, client=client)
            target = self.tree.locate(path)
        except RefusedError as error:
            return Refusal(error)
        remaining = (
            self.cache_cap if claims.expires is None else int(claims.expires - now)
        )
        return Delivery(
            target=target,
            name=claims.name or path.name,
            is_inline=self._is_inline(claims.presentation, target.name),
            max_age=max(0, min(self.cache_cap, remaining)),
            rate=claims.rate,
        )

    def _is_inline(self, wish: Presentation | None, name: str) -> bool:
        media_type = self.types.of(name)
        may_show = is_inert(media_type) or media_type in self.inline_types
        return may_show and wish is not Presentation.ATTACHMENT
