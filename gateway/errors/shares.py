"""Errors of shares, share links and leases."""

from gateway.errors.base import GatewayError, RefusedError


class MissingShareError(GatewayError):
    """A command names a share or a recipient that does not exist."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"there is no {what}")


class IdempotencyKeyError(RefusedError):
    """An idempotency key that was used for a different request."""

    reason = "idempotency-key-of-another-request"


class ShareLinkError(RefusedError):
    """A genuine link of an open share that does not permit the request."""

    reason = "share-link"


class PostRequiredError(ShareLinkError):
    """A program's GET of a share whose downloads are counted."""

    reason = "post-required"


class PasswordRequiredError(ShareLinkError):
    """A request without the share's password."""

    reason = "password-required"


class CodeRequiredError(ShareLinkError):
    """A request without the one-time code that the share needs.

    If a code was mailed for this request, ``mailed_to`` is the shortened address.
    """

    reason = "code-required"

    def __init__(self, mailed_to: str = "") -> None:
        self.mailed_to = mailed_to
        super().__init__()


class WrongCodeError(ShareLinkError):
    """A wrong one-time code; ``left`` is the number of remaining attempts."""

    reason = "wrong-code"

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__(f"{left} attempts left")


class TooManyCodesError(ShareLinkError):
    """Too many codes were mailed; retry in ``retry_after`` seconds."""

    reason = "too-many-codes"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"retry in {retry_after} s")


class CodeUnavailableError(ShareLinkError):
    """The share needs one-time codes, but codes can't be mailed for it any more."""

    reason = "code-unavailable"


class ShareBusyError(ShareLinkError):
    """A POST while running downloads use all remaining slots, which may become free.

    Retry in ``retry_after`` seconds.
    """

    reason = "share-busy"
    retry_after = 30


class ShareSpentError(ShareLinkError):
    """A POST for a link whose downloads are all spent."""

    reason = "share-spent"


class EndedLeaseError(ShareLinkError):
    """A lease that was replaced by another lease before its download began."""

    reason = "lease-ended"


class NothingTakenError(RefusedError):
    """A download can't be given back, because none was counted for the share link."""

    reason = "nothing-taken"

    def __init__(self) -> None:
        super().__init__("nothing was downloaded through this link")


class WrongSharePasswordError(ShareLinkError):
    """A wrong share password."""

    reason = "wrong-share-password"


class GoneItemError(ShareLinkError):
    """The share's item does not exist any more."""

    reason = "item-gone"
