"""Links, and the paths that they lead to."""

from gateway.errors.base import GatewayError, RefusedError


class KeyRingError(GatewayError):
    """A key ring's text can't be used; ``faults`` names all that is wrong.

    The faults name keys by id or position, never by secret.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class ClaimsError(GatewayError):
    """A link was asked for with claims that make no sense together."""


class NotServableError(RefusedError):
    """A path that names nothing the gateway serves; ``fact`` says why."""

    reason = "not-servable"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        self.reason = f"not-servable:{fact}"
        super().__init__(fact)


class LinkError(RefusedError):
    """A link that does not permit what was asked."""

    reason = "link"


class MalformedLinkError(LinkError):
    """Text that no signer would have written; ``fact`` says why."""

    reason = "malformed"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class UnknownKeyError(LinkError):
    """A link whose key is not on the ring: never was, or is retired."""

    reason = "unknown-key"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"no key {key_id!r} on the ring")


class ForgedLinkError(LinkError):
    """A link whose signature does not fit its claims and path."""

    reason = "forged"


class BeyondKeyError(LinkError):
    """A link that its key may not sign; ``fact`` says which restriction it passes."""

    reason = "beyond-key"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class ExpiredLinkError(LinkError):
    """A genuine link that is over; ``expired_at`` in Unix seconds."""

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
    """A genuine link, asked for from outside the networks that it names."""

    reason = "foreign-client"

    def __init__(self, client: str) -> None:
        self.client = client
        super().__init__(f"not valid from {client}")


class RevokedLinkError(LinkError):
    """A genuine link that was taken back."""

    reason = "revoked"


class DisabledOwnerError(LinkError):
    """A genuine link to an upload whose owner has lost access."""

    reason = "owner-disabled"


class SealedLinkError(RefusedError):
    """A pasted link of a mail filter, which keeps the sender's link to itself."""

    reason = "sealed"


class RevocationError(GatewayError):
    """A revocation can't be made or undone as asked."""
