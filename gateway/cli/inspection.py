"""What a signed URL says, in words and as facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gateway.errors import (
    EarlyLinkError,
    ExpiredLinkError,
    ForgedLinkError,
    LinkError,
    MalformedLinkError,
    UnknownKeyError,
)
from gateway.links import policy, signed_url
from gateway.links.claims import Claims

if TYPE_CHECKING:
    from gateway.links import KeyRing


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
    def of(cls, url: str, ring: KeyRing | None, *, now: float) -> Inspection:
        """Inspect *url* at *now*, in Unix seconds, with the keys at hand."""
        try:
            token, path = _split(url)
            claims = Claims.parse(token.rpartition(".")[0])
        except MalformedLinkError as error:
            verdict = f"does not verify: this is no signed URL ({error.fact})"
            return cls((verdict,), {"verifies": False, "why": error.reason})
        why, words = _judge(token, path, claims, ring, now)
        facts = _facts(claims, path) | {"verifies": why is None, "why": why}
        return cls((words, *_in_words(claims, path, now)), facts)


def _split(url: str) -> tuple[str, str]:
    text = urlsplit(url).path
    family, slash, rest = text.removeprefix(signed_url.PREFIX).partition("/")
    if not text.startswith(signed_url.PREFIX) or not slash:
        raise MalformedLinkError("not-of-the-form-/s/token/path")
    try:
        return family, unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise MalformedLinkError("path-not-utf-8") from None


def _judge(
    token: str, path: str, claims: Claims, ring: KeyRing | None, now: float
) -> tuple[str | None, str]:
    if ring is None:
        return "no-keys", "can't tell whether it verifies: no keys are set"
    try:
        signed_url.verify(ring, token, path)
        policy.check_time(claims, now=now)
    except UnknownKeyError as error:
        words = f"its key {error.key_id} is not on the ring (retired, or never was)"
    except ForgedLinkError as error:
        words = "its signature fits neither this path nor these claims, or not this key"
        return error.reason, f"does not verify: {words}"
    except ExpiredLinkError as error:
        words = f"it expired on {_date(error.expired_at)}"
        return error.reason, f"does not verify now: {words}"
    except EarlyLinkError as error:
        words = f"it begins on {_date(error.valid_from)}"
        return error.reason, f"does not verify now: {words}"
    except LinkError as error:
        words = f"its text is not as a signer writes it ({error})"
    else:
        return None, "verifies now"
    return "unknown-key", f"does not verify: {words}"


def _in_words(claims: Claims, path: str, now: float) -> list[str]:
    if claims.depth is None:
        covered = f"the file {path}"
    else:
        folder = "/".join(path.split("/")[: claims.depth])
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
        shown = "shown in the browser, if its type is safe to show"
        is_inline = claims.presentation.value == "inline"
        lines.append(f"the file is {shown if is_inline else 'saved by the browser'}")
    if claims.name is not None:
        lines.append(f"saved as {claims.name}")
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
    }


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _distance(seconds: float) -> str:
    units = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
    unit = next((u for u, size in units.items() if abs(seconds) >= 2 * size), "seconds")
    count = int(abs(seconds) // units[unit])
    return f"in {count} {unit}" if seconds > 0 else f"{count} {unit} ago"
