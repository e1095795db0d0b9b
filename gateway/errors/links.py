"""Errors of links, link keys and paths."""

from gateway.errors.base import GatewayError, RefusedError


class KeyRingError(GatewayError):
    """The text of a key ring is invalid; ``faults`` lists every fault.

    The faults name keys by id or position, never by secret.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class ClaimsError(GatewayError):
    """A link can't be minted, because its claims are invalid."""


class NotServableError(RefusedError):
    """A path that the gateway does not serve; ``fact`` says why."""

    reason = "not-servable"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        self.reason = f"not-servable:{fact}"
        super().__init__(fact)


class LinkError(RefusedError):
    """A link that does not permit the request."""

    reason = "link"


class MalformedLinkError(LinkError):
    """Text that is not a well-formed link; ``fact`` says why."""

    reason = "malformed"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class UnknownKeyError(LinkError):
    """A link whose key is not on the ring: it was never added, or was removed."""

    reason = "unknown-key"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"the key {key_id!r} is not on the ring")


class ForgedLinkError(LinkError):
    """A link whose signature does not match its claims and path."""

    reason = "forged"


class BeyondKeyError(LinkError):
    """A link that its key must not sign; ``fact`` names the violated restriction."""

    reason = "beyond-key"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class ExpiredLinkError(LinkError):
    """A genuine link that has expired; ``expired_at`` in Unix seconds."""

    reason = "expired"

    def __init__(self, expired_at: int) -> None:
        self.expired_at = expired_at
        super().__init__(f"expired at {expired_at}")


class EarlyLinkError(LinkError):
    """A genuine link that is not valid yet; ``valid_from`` in Unix seconds."""

    reason = "early"

    def __init__(self, valid_from: int) -> None:
        self.valid_from = valid_from
        super().__init__(f"not valid before {valid_from}")


class ForeignClientError(LinkError):
    """A genuine link, requested from outside its networks."""

    reason = "foreign-client"

    def __init__(self, client: str) -> None:
        self.client = client
        super().__init__(f"not valid from {client}")


class RevokedLinkError(LinkError):
    """A genuine link that was revoked."""

    reason = "revoked"


class DisabledOwnerError(LinkError):
    """A genuine link to an upload whose owner is disabled."""

    reason = "owner-disabled"


class SealedLinkError(RefusedError):
    """A pasted link that a mail filter has rewritten, without the original link."""

    reason = "sealed"


class RevocationError(GatewayError):
    """A revocation can't be created or undone as requested."""
