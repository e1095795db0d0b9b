"""What a signed URL says, in words and as facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway.delivery.revocation_check import RevocationCheck
from gateway.errors import MalformedLinkError, RefusedError
from gateway.links import policy, signed_url
from gateway.links.claims import Claims, Presentation
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.links.signed_url import SignedURL


@dataclass(frozen=True)
class Inspection:
    """The answer of ``gateway inspect``."""

    lines: tuple[str, ...]
    facts: dict[str, object]

    @property
    def is_good(self) -> bool:
        """Tell whether the link verifies now."""
        return bool(self.facts["verifies"])

    @classmethod
    def of(
        cls,
        url: str,
        ring: KeyRing | None,
        catalog: Database | None = None,
        *,
        now: float,
    ) -> Inspection:
        """Inspect *url* at *now*, in Unix seconds, with the keys at hand.

        Without *catalog* nobody can tell whether it was taken back.
        """
        try:
            token, path = signed_url.split(url)
            claims = Claims.parse(token.rpartition(".")[0])
        except MalformedLinkError as error:
            words = WORDS[error.reason].format(error=error)
            return cls((words,), {"verifies": False, "why": error.reason})
        why, words = _judge(token, path, claims, ring, catalog, now=now)
        facts = _facts(claims, path) | {"verifies": why is None, "why": why}
        return cls((words, *_in_words(claims, path, now)), facts)


#: How each reason for a refusal is put to the one who asks.
WORDS: Final = {
    "malformed": "does not verify: this is no signed URL ({error})",
    "not-servable": "is never answered with a file: its path is refused ({error})",
    "unknown-key": (
        "does not verify: its key {claims.key_id} is not on the ring (retired, or "
        "never was)"
    ),
    "forged": (
        "does not verify: its signature fits neither this path nor these claims, or "
        "not this key"
    ),
    "beyond-key": (
        "does not verify: its key {claims.key_id} may not sign such a link ({error})"
    ),
    "expired": "does not verify now: it expired on {expires}",
    "early": "does not verify now: it begins on {begins}",
    "revoked": "does not verify now: it was taken back",
    "owner-disabled": "does not verify now: the upload's owner is disabled",
    "not-servable:no-upload": "does not verify: the upload was deleted, or never was",
}


def _judge(
    token: str,
    path: str,
    claims: Claims,
    ring: KeyRing | None,
    catalog: Database | None,
    *,
    now: float,
) -> tuple[str | None, str]:
    """Judge as the gateway does, but for the client and the files."""
    is_folder = _is_folder(path, claims)
    try:
        if path or not is_folder:
            FilePath.parse(path.removesuffix("/") if is_folder else path)
        if ring is None:
            return "no-keys", "can't tell whether it verifies: no keys are set"
        link = signed_url.verify(ring, token, path)
        policy.check_key(link, now=now)
        policy.check_time(claims, now=now)
        if catalog is not None:
            _check_standing(RevocationCheck(catalog), link, path)
    except RefusedError as error:
        kind = error.reason if error.reason in WORDS else error.reason.split(":")[0]
        words = WORDS[kind].format(
            error=error,
            claims=claims,
            expires=_date(claims.expires or 0),
            begins=_date(claims.not_before or 0),
        )
        return error.reason, words
    if is_folder:
        return None, "verifies now, for what lies below; the folder itself is no file"
    return None, "verifies now"


def _check_standing(standing: RevocationCheck, link: SignedURL, path: str) -> None:
    standing.check(link, path)
    if link.claims.upload is not None:
        standing.upload(link.claims.upload)


def _is_folder(path: str, claims: Claims) -> bool:
    """Tell whether *path* is the folder that the link covers, as it was signed."""
    if claims.depth == 0:
        return not path
    return path.endswith("/") and path.count("/") == claims.depth


def _in_words(claims: Claims, path: str, now: float) -> list[str]:
    if claims.upload is not None:
        covered = f"the upload {claims.upload}, saved as {shown(path)}"
    elif claims.depth is None:
        covered = f"the file {shown(path)}"
    else:
        folder = shown("/".join(path.split("/")[: claims.depth]))
        covered = f"everything below {folder}/" if folder else "every file there is"
    lines = [
        f"allows: {covered}",
        f"signed with key {claims.key_id} on {_date(claims.issued)}",
        (
            "never expires"
            if claims.expires is None
            else f"expires on {_date(claims.expires)}"
            f" ({_distance(claims.expires - now)})"
        ),
    ]
    if claims.not_before is not None:
        lines.append(f"begins on {_date(claims.not_before)}")
    if claims.presentation is not None:
        is_inline = claims.presentation is Presentation.INLINE
        lines.append(
            "the file is shown in the browser, if its type is safe to show"
            if is_inline
            else "the file is saved by the browser"
        )
    if claims.name is not None:
        lines.append(f"saved as {shown(claims.name)}")
    if claims.rate is not None:
        lines.append(f"at {claims.rate} bytes a second")
    if claims.networks:
        lines.append(f"only from {', '.join(map(str, claims.networks))}")
    return lines


def _facts(claims: Claims, path: str) -> dict[str, object]:
    return {
        "path": path,
        "folder_depth": claims.depth,
        "key_id": claims.key_id,
        "issued": claims.issued,
        "expires": claims.expires,
        "not_before": claims.not_before,
        "presentation": claims.presentation,
        "name": claims.name,
        "rate": claims.rate,
        "networks": [str(network) for network in claims.networks],
        "upload": claims.upload,
    }


def shown(text: str) -> str:
    """Escape what does not print: a forged link must not write lines of its own."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _distance(seconds: float) -> str:
    units = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
    unit = next((u for u, size in units.items() if abs(seconds) >= 2 * size), "seconds")
    count = int(abs(seconds) // units[unit])
    return f"in {count} {unit}" if seconds > 0 else f"{count} {unit} ago"
