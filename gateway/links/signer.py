"""The library for sites that mint links without requests to the gateway."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from gateway.errors import ClaimsError
from gateway.links import signed_url
from gateway.links.claims import Claims, Presentation
from gateway.links.keyring import KeyRing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.links.texts import Network

Expiry = timedelta | datetime | Literal["never"]


class LinkSigner:
    """Mints signed URLs, offline, with the gateway's link keys.

    ``keys`` is the value of ``GATEWAY_KEYS`` (``id:secret``, newest first; the
    newest signs), ``base_url`` the value of ``GATEWAY_PUBLIC_URL``; ``clock`` returns
    the time in Unix seconds.  Raise KeyRingError for keys that are missing, short or
    copied from an example.

    >>> signer = LinkSigner(keys, "https://files.example.com")
    >>> signer.sign("reports/q3.pdf", expires=timedelta(days=7))
    'https://files.example.com/s/kq3vx7a.e1767830400.i1767225600.Jm3…/reports/q3.pdf'
    """

    def __init__(
        self,
        keys: str | KeyRing,
        base_url: str,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251
    ) -> None:
        self.ring = KeyRing.parse(keys) if isinstance(keys, str) else keys
        self.base_url = base_url.rstrip("/")
        self._clock = clock

    def sign(
        self,
        path: str,
        *,
        expires: Expiry,
        not_before: datetime | None = None,
        folder: bool = False,
        presentation: Literal["inline", "attachment"] | None = None,
        name: str | None = None,
        rate: int | None = None,
        shared: bool = False,
        networks: Iterable[str] = (),
        stable: timedelta | None = None,
        upload: str | None = None,
    ) -> str:
        """Return the URL of *path*, which is relative to the files tree.

        *expires* is a lifetime from now, a datetime with a time zone, or
        ``"never"``.  With *folder* the link covers everything below *path*,
        and relative links inside it just work.  *rate* is in bytes per second,
        *networks* are the clients' CIDRs.  With *shared*, shared caches such as CDNs
        may store the file, if the gateway's GATEWAY_SHARED_MAX_AGE permits it; such a
        link can't have *networks*.  With *stable* the expiry is rounded
        up to a multiple of that window, so that the same call gives the same
        URL, and caches see one URL, as long as the window lasts.  With *upload* the
        link leads to the upload with that id, and *path* is the name that a browser
        saves it as.  Raise ClaimsError for invalid claims.
        """
        if not isinstance(path, str):
            raise ClaimsError(f"a path is text, not {path!r}")
        if upload is not None and path.startswith("."):
            # Paths with a hidden segment are not served: the claim holds the name.
            path, name = f"_{path[1:]}", name or path
        if isinstance(name, str) and name and not name.strip(". "):
            # Not checked in Claims: links from earlier releases must still verify.
            raise ClaimsError("a download name must not be only dots and spaces")
        issued, expiry = _times(int(self._clock()), expires, stable)
        claims = Claims(
            key_id=self.ring.newest.id,
            issued=issued,
            expires=expiry,
            not_before=None if not_before is None else _seconds(not_before),
            depth=_depth(path) if folder else None,
            presentation=_presentation(presentation),
            name=name,
            rate=rate,
            shared=shared,
            networks=_networks(networks),
            upload=upload,
        )
        target = f"{path.removesuffix('/')}/" if folder and path else path
        return self.base_url + signed_url.mint(self.ring, claims, target)


def _times(
    now: int, expires: Expiry, stable: timedelta | None
) -> tuple[int, int | None]:
    window = 1 if stable is None else _whole_seconds(stable, "a window")
    if expires == "never":
        return now - now % window, None
    if isinstance(expires, datetime):
        return now - now % window, _seconds(expires)
    lifetime = _whole_seconds(expires, "a link's lifetime")
    if stable is None:
        return now, now + lifetime
    # ``issued`` is counted back from the rounded expiry, so that both change together.
    expiry = -(-(now + lifetime) // window) * window
    return expiry - lifetime - window, expiry


def _whole_seconds(span: object, what: str) -> int:
    if not isinstance(span, timedelta):
        raise ClaimsError(f"{what} is a timedelta, not {span!r}")
    seconds = int(span.total_seconds())
    if seconds < 1:
        raise ClaimsError(f"{what} is at least one second")
    return seconds


def _seconds(moment: object) -> int:
    if not isinstance(moment, datetime):
        raise ClaimsError(f"a time is a datetime, not {moment!r}")
    if moment.tzinfo is None:
        raise ClaimsError(f"{moment} has no time zone")
    return int(moment.timestamp())


def _presentation(requested: str | None) -> Presentation | None:
    try:
        return None if requested is None else Presentation(requested)
    except ValueError:
        raise ClaimsError(
            f"a presentation is 'inline' or 'attachment', not {requested!r}"
        ) from None


def _depth(path: str) -> int:
    return len(path.removesuffix("/").split("/")) if path else 0


def _networks(networks: Iterable[str]) -> tuple[Network, ...]:
    try:
        # str(): ip_network reads an int as an address.
        return tuple(ip_network(str(network)) for network in networks)
    except (TypeError, ValueError) as error:
        raise ClaimsError(f"networks: {error}") from None
