"""The roots, and what ends a command or keeps one from starting."""


class GatewayError(Exception):
    """Base of every error that the gateway raises on purpose."""


class SettingsError(GatewayError):
    """The settings can't be used; ``faults`` names every one that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class SuperviseError(GatewayError):
    """``gateway serve`` can't start or can't go on, for the reason given."""


class OwnershipError(GatewayError):
    """What is made at ``path`` would not belong to the user ``owner``, as it has to."""

    def __init__(self, path: object, owner: str) -> None:
        self.path = path
        self.owner = owner
        super().__init__(
            f"{path} belongs to the user {owner}, and this one can't leave it to them; "
            f"run the command as {owner} or as root"
        )


class HousekeepingError(GatewayError):
    """The store can't be tidied or checked, for the reason given."""


class BackupError(GatewayError):
    """A backup can't be made or restored, for the reason given."""


class RefusedError(GatewayError):
    """A request that is answered with a refusal, never with a file.

    ``reason`` is the word that the access log shows to the operator.
    """

    reason = "refused"
