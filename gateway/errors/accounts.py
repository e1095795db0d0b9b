"""Errors of accounts, logins and the catalog."""

from gateway.errors.base import GatewayError, RefusedError


class AccountError(GatewayError):
    """An account or token can't be created or changed as requested."""


class CatalogBusyError(GatewayError):
    """The catalog does not answer in time; the request may be retried."""


class BucketBusyError(GatewayError):
    """A bucket does not answer as it should; the request may be retried.

    ``status`` is the status that its server answers, None if it does not answer.
    """

    def __init__(self, fact: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(fact)


class NotAuthenticatedError(RefusedError):
    """No valid login or token; unknown, expired and revoked tokens look alike."""

    reason = "not-authenticated"


class NewPasswordError(RefusedError):
    """The user is logged in and must choose a new password first."""

    reason = "new-password"


class WrongPasswordError(RefusedError):
    """The user name or the password is wrong."""

    reason = "wrong-password"


class TooManyAttemptsError(RefusedError):
    """Too many wrong passwords; ``retry_after`` in seconds."""

    reason = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"retry in {retry_after} s")


class ForgedFormError(RefusedError):
    """A form or script request without a valid CSRF token."""

    reason = "csrf"


class NotPermittedError(RefusedError):
    """The user or token lacks a permission; ``fact`` names what is missing."""

    reason = "not-permitted"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class BadFieldsError(RefusedError):
    """A request's JSON object is invalid; ``faults`` maps field names to messages.

    Missing and unknown fields are included; the empty name means the whole object.
    """

    reason = "bad-fields"

    def __init__(self, faults: dict[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{k}: {v}" for k, v in faults.items()))
