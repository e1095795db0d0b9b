"""Responses without a Content-Type: they have no body, or nginx sets the type."""

from flask import Response


class EmptyResponse(Response):
    """A response without a body and Content-Type."""

    default_mimetype = None
