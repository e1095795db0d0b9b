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


class CodeRequiredError(ShareLinkError):
    """A request without the one-time code that the share needs.

    If one was mailed for this request, ``mailed_to`` is the address, shortened.
    """

    reason = "code-required"

    def __init__(self, mailed_to: str = "") -> None:
        self.mailed_to = mailed_to
        super().__init__()


class WrongCodeError(ShareLinkError):
    """What is not the recipient's one-time code; ``left`` is how many tries it has."""

    reason = "wrong-code"

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__(f"{left} tries left")


class TooManyCodesError(ShareLinkError):
    """As many codes as may be were mailed; again in ``retry_after`` seconds."""

    reason = "too-many-codes"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"again in {retry_after} s")


class CodeUnavailableError(ShareLinkError):
    """A share needs one-time codes, and none can be mailed for it any more."""

    reason = "code-unavailable"


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
