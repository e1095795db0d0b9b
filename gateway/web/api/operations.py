"""Declarations of the API's views: their requests, answers and refusals.

``openapi`` generates the API's description from these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, ParamSpec

from flask import Response, jsonify

from gateway import errors
from gateway.http.explanations import (
    BAD_REQUEST,
    BY_ERROR,
    BY_STATUS,
    NOT_FOUND,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from gateway.http.explanations import Explanation
    from gateway.web.api.json_bodies import Body
    from gateway.web.api.pagination import PageQuery

P = ParamSpec("P")
Refusal = type[errors.RefusedError] | HTTPStatus

#: Refusals of every operation that is not public.
_KNOWN: Final[tuple[Refusal, ...]] = (
    errors.NotAuthenticatedError,
    errors.NotPermittedError,
    # These two refuse only requests with a session cookie.
    errors.ForgedFormError,
    errors.NewPasswordError,
)
_WITH_JSON: Final[tuple[Refusal, ...]] = (
    errors.BadFieldsError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
#: nginx refuses a body that is too long or that takes too long.
_WITH_FILE: Final[tuple[Refusal, ...]] = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
#: Refusals of every operation: nginx refuses requests that it can't parse, and clients
#: with too many requests; the catalog may not answer in time.
_ALWAYS: Final[tuple[Refusal, ...]] = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


@dataclass(frozen=True)
class Header:
    """A header of a request or of a response."""

    name: str
    text: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Content:
    """A body that is not JSON: its media type, and its schema for OpenAPI."""

    media_type: str
    schema: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path, and the decorator of its view.

    ``returns`` maps each status to the possible models; no model means an empty answer.
    The first status is the default.  ``parameters`` describes path parameters whose
    meaning differs from the description in ``openapi``.
    """

    id: str
    returns: Mapping[int, tuple[type[BaseModel] | Content, ...]]
    query: type[PageQuery] | None = None
    body: type[Body] | Content | None = None
    headers: Sequence[Header] = ()
    answer_headers: Sequence[Header] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    refusals: Sequence[Refusal] = ()
    is_public: bool = False

    def __call__(
        self, view: Callable[P, BaseModel | Response | None]
    ) -> Callable[P, Response]:
        """Decorate a view: the model that it returns becomes the response.

        None becomes an empty response.  A view that chooses among several statuses,
        or sends headers, returns ``answer(...)``.
        """
        status = next(iter(self.returns))

        @wraps(view)
        def respond(*args: P.args, **kwargs: P.kwargs) -> Response:
            result = view(*args, **kwargs)
            if result is None:
                return Response(status=status)
            if isinstance(result, Response):
                return result
            return answer(result, status)

        respond.operation = self  # type: ignore[attr-defined]
        return respond

    def problems(self, *, has_parameters: bool) -> dict[int, list[Explanation]]:
        """Return the explanations of the operation's possible refusals, by status."""
        refusals = [*_ALWAYS, *self.refusals]
        if not self.is_public:
            refusals += _KNOWN
        if has_parameters:
            refusals.append(errors.NotServableError)
        if self.query is not None:
            refusals.append(errors.BadFieldsError)
        if isinstance(self.body, Content):
            refusals += _WITH_FILE
        elif self.body is not None:
            refusals += _WITH_JSON
        found: dict[int, list[Explanation]] = {}
        for explanation in map(_explanation, refusals):
            others = found.setdefault(int(explanation.status), [])
            if explanation.name not in {other.name for other in others}:
                others.append(explanation)
        return dict(sorted(found.items()))


def _explanation(refusal: Refusal) -> Explanation:
    if isinstance(refusal, HTTPStatus):
        general = replace(BAD_REQUEST, status=refusal, title=refusal.phrase)
        return BY_STATUS.get(refusal, general)
    return BY_ERROR.get(refusal, NOT_FOUND)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return the operation that a view was decorated with, if any."""
    found: Operation | None = getattr(view, "operation", None)
    return found


def answer(model: BaseModel, status: int, **headers: str) -> Response:
    """Return a response with *model* as JSON."""
    response = jsonify(model.model_dump(mode="json"))
    response.status_code = status
    response.headers.update(headers)
    return response
