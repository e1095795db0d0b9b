"""Parse JSON bodies into typed values, or refuse them with all faulty fields."""

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
    WithJsonSchema,
    model_validator,
)
from werkzeug.exceptions import UnsupportedMediaType

from gateway.errors import BadFieldsError
from gateway.links.claims import MAXIMUM_TIME, NEVER

#: Maximum size of a body; nginx refuses larger bodies.
MAXIMUM_BYTES: Final = 65_536
_MAXIMUM_FAULTS: Final = 20


class Body(BaseModel):
    """The JSON object of a request: no other fields, and no type conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


def _end(value: object) -> object:
    if value == NEVER:
        raise ValueError('must be "never" or a time')
    return NEVER if value == "never" else value


def _schema(text: str) -> WithJsonSchema:
    seconds = {"type": "integer", "minimum": 1, "maximum": MAXIMUM_TIME}
    return WithJsonSchema({"anyOf": [seconds, {"type": "string"}], "description": text})


_MOMENT: Final = "Unix seconds, or ISO 8601 text, in UTC if it names no zone."
_Seconds = Annotated[int, BeforeValidator(_seconds)]
#: Unix seconds, or ISO 8601 text, in UTC if it names no zone.
Moment = Annotated[_Seconds, Field(ge=1, le=MAXIMUM_TIME), _schema(_MOMENT)]
#: A moment, or ``never``, which becomes NEVER.
End = Annotated[
    _Seconds,
    Field(ge=NEVER, le=MAXIMUM_TIME),
    BeforeValidator(_end),
    _schema(f"{_MOMENT[:-1]}; or `never`."),
]
#: Seconds from now.
Lifetime = Annotated[int, Field(ge=1, le=MAXIMUM_TIME)]


class ExpiringBody(Body):
    """A request to create an object that expires: one of both fields is required."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["expires"]}, {"required": ["expires_in"]}]
        }
    )

    expires: End | None = None
    """When the new object expires."""
    expires_in: Lifetime | None = None
    """When the new object expires, in seconds from now."""

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

    Raise BadFieldsError if the body is not a JSON object or does not fit *model*, and
    Werkzeug's errors for a wrong content type and for a body that is too large.
    """
    if not request.is_json:
        # A form on another site could send any other type on the user's behalf.
        raise UnsupportedMediaType("Send an object as application/json.")
    request.max_content_length = MAXIMUM_BYTES
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        raise BadFieldsError(faults(error)) from None


def faults(error: ValidationError) -> dict[str, str]:
    """Return a message per invalid field, by the field's path: ``items.0.path``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return {
        ".".join(map(str, fault["loc"])): fault["msg"].removeprefix("Value error, ")
        for fault in found[:_MAXIMUM_FAULTS]
    }
