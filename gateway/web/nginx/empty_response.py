"""Answers without a Content-Type: they are empty, or nginx tells it."""

from flask import Response


class EmptyResponse(Response):
    """A response whose type is not told."""

    default_mimetype = None
