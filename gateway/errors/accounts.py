"""Who asks, and the catalog that knows."""

from gateway.errors.base import GatewayError, RefusedError


class AccountError(GatewayError):
    """An account or token can't be made or changed as asked."""


class CatalogBusyError(GatewayError):
    """The catalog does not answer in time; the request may be tried again."""


class NotAuthenticatedError(RefusedError):
    """Nobody known asks; unknown, expired and revoked tokens look alike."""

    reason = "not-authenticated"


class NewPasswordError(RefusedError):
    """Somebody is logged in who has to choose a password of their own first."""

    reason = "new-password"


class WrongPasswordError(RefusedError):
    """No account of that name has that password."""

    reason = "wrong-password"


class TooManyAttemptsError(RefusedError):
    """Too many wrong passwords; ``retry_after`` in seconds."""

    reason = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"again in {retry_after} s")


class ForgedFormError(RefusedError):
    """A form, or a script's request, that does not come from a page of ours."""

    reason = "csrf"


class NotPermittedError(RefusedError):
    """Somebody known asks for what is not allowed; ``fact`` says what lacks."""

    reason = "not-permitted"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class BadFieldsError(RefusedError):
    """A request's object can't be understood; ``faults`` says why, by field.

    The name of a field that is missing or unknown is there too; the empty name
    is the object as a whole.
    """

    reason = "bad-fields"

    def __init__(self, faults: dict[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{k}: {v}" for k, v in faults.items()))
