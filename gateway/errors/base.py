"""The base classes, and errors that end a command or prevent its start."""


class GatewayError(Exception):
    """Base of every error that the gateway raises on purpose."""


class SettingsError(GatewayError):
    """The settings are invalid; ``faults`` lists every fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class SuperviseError(GatewayError):
    """``gateway serve`` can't start or can't continue, for the reason in the text."""


class OwnershipError(GatewayError):
    """A file at ``path`` must belong to the user ``owner``, but would not."""

    def __init__(self, path: object, owner: str) -> None:
        self.path = path
        self.owner = owner
        super().__init__(
            f"{path} belongs to the user {owner}, and this user can't create files for "
            f"them; run the command as {owner} or as root"
        )


class HousekeepingError(GatewayError):
    """Housekeeping or fsck of the store failed, for the reason in the text."""


class BackupError(GatewayError):
    """A backup can't be created or restored, for the reason in the text."""


class RefusedError(GatewayError):
    """A request that is refused: the answer is never a file.

    ``reason`` is the reason code in the access log, for the operator.
    """

    reason = "refused"
