"""Shares, and what their links refuse."""

from gateway.errors.base import GatewayError, RefusedError


class MissingShareError(GatewayError):
    """A command names a share, or a recipient of one, that is not there."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"there is no {what}")


class IdempotencyKeyError(RefusedError):
    """A key that came before, with another request."""

    reason = "idempotency-key-of-another-request"


class ShareLinkError(RefusedError):
    """A genuine link of an open share that opens nothing as it was asked for."""

    reason = "share-link"


class PostRequiredError(ShareLinkError):
    """A GET by a program of a share whose downloads are counted."""

    reason = "post-required"


class PasswordRequiredError(ShareLinkError):
    """A request without the password that the share has."""

    reason = "password-required"


class ShareBusyError(ShareLinkError):
    """A POST while all downloads are taken, some by leases that may give theirs back.

    It can be tried again in ``retry_after`` seconds.
    """

    reason = "share-busy"
    retry_after = 30


class ShareSpentError(ShareLinkError):
    """A POST for a link whose downloads are all spent."""

    reason = "share-spent"


class EndedLeaseError(ShareLinkError):
    """A lease whose place another one has taken before its download began."""

    reason = "lease-ended"


class NothingTakenError(RefusedError):
    """A download is to be given back of a link of which none is taken."""

    reason = "nothing-taken"

    def __init__(self) -> None:
        super().__init__("nothing was downloaded by this link")


class WrongSharePasswordError(ShareLinkError):
    """A password that is not the share's."""

    reason = "wrong-share-password"


class GoneItemError(ShareLinkError):
    """What the share held is there no more."""

    reason = "item-gone"
