"""Errors of the mail relay."""

from gateway.errors.base import GatewayError


class RelayError(GatewayError):
    """The relay can't be reached or refuses the gateway, for the reason in the text.

    No mail is lost: each can be sent again.
    """
