"""The facts about a signed URL, as text and as JSON, for ``gateway inspect``."""

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
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.links.signed_url import SignedURL


@dataclass(frozen=True)
class Inspection:
    """The result of ``gateway inspect``: lines of text, and ``facts`` for JSON."""

    lines: tuple[str, ...]
    facts: dict[str, object]

    @property
    def is_good(self) -> bool:
        """Return whether the link verifies now."""
        return bool(self.facts["verifies"])

    @classmethod
    def of(
        cls,
        url: str,
        ring: KeyRing | None,
        catalog: Database | None = None,
        *,
        now: float,
        look_up: Callable[[str], str | None] | None = None,
    ) -> Inspection:
        """Inspect *url* at *now* (Unix seconds) with the keys in *ring*.

        Without *catalog*, revocations are not checked.  *look_up* returns why a path is
        not served, or None; it is called for a valid link to a file.
        """
        try:
            token, path = signed_url.split(url)
            claims = Claims.parse(token.rpartition(".")[0])
        except MalformedLinkError as error:
            words = WORDS[error.reason].format(error=error)
            return cls((words,), {"verifies": False, "why": error.reason})
        why, words = _judge(token, path, claims, ring, catalog, now=now)
        fault = None
        is_path = claims.upload is None and not _is_folder(path, claims)
        if look_up is not None and why is None and is_path:
            fault = look_up(path)
        facts = _facts(claims, path) | {
            "verifies": why is None,
            "why": why,
            "file_fault": fault,
        }
        found = () if fault is None else (f"but {shown(path)}: {fault}",)
        return cls((words, *found, *_as_lines(claims, path, now)), facts)


#: The first line of the result, by the reason for which the gateway refuses the URL.
WORDS: Final = {
    "malformed": "invalid: not a signed URL ({error})",
    "not-servable": "invalid: no file is served at this path ({error})",
    "unknown-key": (
        "invalid: its key {claims.key_id} is not on the key ring (retired, or never "
        "added)"
    ),
    "forged": (
        "invalid: its signature does not match; the path, the claims or the key is "
        "wrong"
    ),
    "beyond-key": ("invalid: its key {claims.key_id} may not sign this link ({error})"),
    "expired": "invalid now: it expired on {expires}",
    "early": "invalid now: it is valid from {begins}",
    "revoked": "invalid now: it is revoked",
    "owner-disabled": "invalid now: the upload's owner is disabled",
    "not-servable:no-upload": "invalid: the upload was deleted or never existed",
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
    """Judge as the gateway does, except for the client's address and the files."""
    is_folder = _is_folder(path, claims)
    try:
        if path or not is_folder:
            FilePath.parse(path.removesuffix("/") if is_folder else path)
        if ring is None:
            return "no-keys", "can't be verified: no keys are set"
        link = signed_url.verify(ring, token, path)
        policy.check_key(link, now=now)
        policy.check_time(claims, now=now)
        if catalog is not None:
            _check_revocations(RevocationCheck(catalog), link, path)
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
        return None, "valid now, for the files below; the folder itself is not a file"
    return None, "valid now"


def _check_revocations(check: RevocationCheck, link: SignedURL, path: str) -> None:
    check.check(link, path)
    if link.claims.upload is not None:
        check.upload(link.claims.upload)


def _is_folder(path: str, claims: Claims) -> bool:
    """Return whether *path* is the folder itself that the link covers."""
    if claims.depth == 0:
        return not path
    return path.endswith("/") and path.count("/") == claims.depth


def _as_lines(claims: Claims, path: str, now: float) -> list[str]:
    if claims.upload is not None:
        covered = f"the upload {claims.upload}, saved as {shown(path)}"
    elif claims.depth is None:
        covered = f"the file {shown(path)}"
    else:
        folder = shown("/".join(path.split("/")[: claims.depth]))
        covered = f"everything below {folder}/" if folder else "every file"
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
        lines.append(f"valid from {_date(claims.not_before)}")
    if claims.presentation is not None:
        is_inline = claims.presentation is Presentation.INLINE
        lines.append(
            "the browser shows the file, if its type is safe to show"
            if is_inline
            else "the browser saves the file"
        )
    if claims.name is not None:
        lines.append(f"saved as {shown(claims.name)}")
    if claims.rate is not None:
        lines.append(f"at most {claims.rate} bytes per second")
    if claims.shared:
        lines.append(
            "shared caches may store the file, for as long as GATEWAY_SHARED_MAX_AGE "
            "permits"
        )
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
        "shared": claims.shared,
        "networks": [str(network) for network in claims.networks],
        "upload": claims.upload,
    }


def shown(text: str) -> str:
    """Escape unprintable characters, so that a forged link can't add output lines."""
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
