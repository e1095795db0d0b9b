"""JSON bodies become typed values, or a refusal that names every faulty field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Self, TypeVar

from flask import request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from werkzeug.exceptions import UnsupportedMediaType

from gateway.errors import BadFieldsError
from gateway.links.claims import MAXIMUM_TIME, NEVER

#: nginx lets no more through to Python.
MAXIMUM_BYTES: Final = 65_536
_MAXIMUM_FAULTS: Final = 20


class Body(BaseModel):
    """What a request's JSON object must be: these fields, of these very types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


#: Unix seconds, or ISO 8601 text, in UTC if it names no zone.
Moment = Annotated[int, BeforeValidator(_seconds)]


def _end(value: object) -> object:
    if value == NEVER:
        raise ValueError("what has no end says never")
    return NEVER if value == "never" else value


#: A moment, or ``never``, which becomes NEVER.
End = Annotated[Moment, Field(ge=NEVER, le=MAXIMUM_TIME), BeforeValidator(_end)]


class Lasting(Body):
    """Something with an end: ``expires`` or ``expires_in`` must be there.

    ``expires`` may be ``never``, ``expires_in`` is in seconds from now.
    """

    expires: End | None = None
    expires_in: Annotated[int, Field(ge=1, le=MAXIMUM_TIME)] | None = None

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.expires is None) == (self.expires_in is None):
            raise ValueError("give either expires or expires_in")
        return self

    def end(self, *, now: int) -> int | None:
        """Return the end in Unix seconds, or None for never."""
        if self.expires_in is not None:
            return now + self.expires_in
        return self.expires or None


M = TypeVar("M", bound=Body)


def read(model: type[M]) -> M:
    """Return the current request's JSON object.

    Raise BadFieldsError if it is none or does not fit *model*, and Werkzeug's
    errors for another content type or too large a body.
    """
    if not request.is_json:
        # A form of another site could send anything else in a user's name.
        raise UnsupportedMediaType("Send an object as application/json.")
    request.max_content_length = MAXIMUM_BYTES
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        found = error.errors(
            include_url=False, include_context=False, include_input=False
        )
        raise BadFieldsError(
            {
                ".".join(map(str, fault["loc"])): fault["msg"].removeprefix(
                    "Value error, "
                )
                for fault in found[:_MAXIMUM_FAULTS]
            }
        ) from None
