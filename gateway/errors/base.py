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


class HousekeepingError(GatewayError):
    """The store can't be tidied or checked, for the reason given."""


class BackupError(GatewayError):
    """A backup can't be made or restored, for the reason given."""


class RefusedError(GatewayError):
    """A request that is answered with a refusal, never with a file.

    ``reason`` is the word that the access log shows to the operator.
    """

    reason = "refused"
