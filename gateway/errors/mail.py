"""Mail that does not go out."""

from gateway.errors.base import GatewayError


class RelayError(GatewayError):
    """The relay can't be reached or does not let the gateway in, for the reason given.

    No mail is lost by it: each one can be offered again.
    """
