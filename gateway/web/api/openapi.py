"""``GET /api/v1/openapi.json``: the API describes itself (OpenAPI 3.1).

The document is generated from the routes, the operations declared beside their views,
the views' docstrings, and the models.

No library generates it: spectree reads and checks requests itself and answers 422 with
its own errors; flask-openapi3 replaces Flask and Blueprint by its own classes; apispec
needs the dictionaries that this module builds, and its Flask plugin reads YAML from
docstrings.  No library lists the problems of an operation.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, current_app
from pydantic import RootModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from gateway import __version__
from gateway.http.explanations import PROBLEMS
from gateway.web.api.operations import Content, Operation, operation_of
from gateway.web.api.schemas import Problem
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from flask import Flask
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode
    from werkzeug.routing import Rule

    from gateway.http.explanations import Explanation
    from gateway.web.api.operations import Header

    Model = tuple[type[BaseModel], JsonSchemaMode]

PREFIX: Final = "/api/v1/"
PATH: Final = "/api/v1/openapi.json"
#: Flask answers these by itself.
_BY_FLASK: Final = frozenset({"HEAD", "OPTIONS"})
_NULL: Final = {"type": "null"}
_SCHEMAS: Final = "#/components/schemas/"
_PARAMETERS: Final = {
    "drop_id": "The id of a drop link.",
    "file": "The id of an upload.",
    "recipient_id": "The id of a recipient of the share.",
    "share_id": "The id of a share.",
    "subject": "The subject of a revocation: `url:MAC`, `path:PATH` and the like.",
    "upload_id": "The id of an upload.",
}
_BEARER: Final = (
    "A token that `gateway tokens new` has printed; uploads take the code of a drop "
    "link as well. The gateway's own pages send a session cookie instead, and with "
    "each request that changes something a CSRF token: programs use a bearer token."
)


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401
        """Leave out titles that repeat the name of the field."""
        del schema
        return False


class Document(RootModel[dict[str, Any]]):
    """An OpenAPI document."""


@dataclass(frozen=True)
class Description:
    """The view of one app's description; ``base_url`` returns the gateway's address."""

    base_url: Callable[[], str]

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("openapi", __name__)
        routes.add_url_rule(PATH, view_func=self.show)
        return routes

    @Operation(id="getDescription", returns={200: (Document,)}, is_public=True)
    def show(self) -> Document:
        """Describe the API: this document."""
        return Document(
            {**self._document, "servers": [{"url": self.base_url() or "/"}]}
        )

    @cached_property
    def _document(self) -> dict[str, Any]:
        # Generating all schemas takes too long for each request: anybody may send it.
        return _document(current_app)


def _document(app: Flask) -> dict[str, Any]:
    """Return the description of the routes below ``/api/v1/``, without the server."""
    operations = list(_operations(app))
    models: set[Model] = {(Problem, "serialization")}
    for _, _, declared, _ in operations:
        models |= set(_models(declared))
    _, schemas = models_json_schema(
        sorted(models, key=lambda model: model[0].__name__),
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_Schemas,
    )
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, declared, view in operations:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(
            declared, inspect.getdoc(view) or "", rule.arguments
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "accel-gateway",
            "version": __version__,
            "description": "Private files: uploads, shares, drop links, signed URLs.",
        },
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": _BEARER}
            },
        },
    }


def _operations(
    app: Flask,
) -> Iterator[tuple[Rule, str, Operation, Callable[..., Any]]]:
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(PREFIX):
            continue
        view = app.view_functions[rule.endpoint]
        declared = operation_of(view)
        if declared is None:
            raise TypeError(f"the view of {rule.rule} declares no operation")
        for method in (rule.methods or set()) - _BY_FLASK:
            yield rule, method, declared, view


def _models(declared: Operation) -> Iterator[Model]:
    if declared.body is not None and not isinstance(declared.body, Content):
        yield declared.body, "validation"
    for answers in declared.returns.values():
        for answer in answers:
            if not isinstance(answer, Content):
                yield answer, "serialization"


def _operation(
    declared: Operation, doc: str, arguments: Collection[str]
) -> dict[str, Any]:
    summary, _, text = doc.partition("\n\n")
    problems = declared.problems(has_parameters=bool(arguments))
    operation: dict[str, Any] = {
        "operationId": declared.id,
        "summary": " ".join(summary.split()).removesuffix("."),
        "description": " ".join((text or summary).split()),
        "parameters": [
            *(_in_path(name, declared) for name in sorted(arguments)),
            *_in_query(declared),
            *({"name": h.name, "in": "header", **_header(h)} for h in declared.headers),
        ],
        "responses": {
            **{str(status): _success(status, declared) for status in declared.returns},
            **{str(status): _problem(names) for status, names in problems.items()},
        },
    }
    if declared.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": _content([declared.body]),
        }
    if declared.is_public:
        operation["security"] = []
    return operation


def _in_path(name: str, declared: Operation) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": declared.parameters.get(name, _PARAMETERS[name]),
        "schema": {"type": "string"},
    }


def _in_query(declared: Operation) -> Iterator[dict[str, Any]]:
    if declared.query is None:
        return
    schema = declared.query.model_json_schema(schema_generator=_Schemas)
    for name, field in schema["properties"].items():
        text = " ".join(field.pop("description").split())
        # A query has no null: a key without a default is just missing.
        (kind,) = (each for each in field.pop("anyOf", [{}]) if each != _NULL)
        default = {"default": field.pop("default")} if field.get("default") else {}
        field.pop("default", None)
        yield {
            "name": name,
            "in": "query",
            "description": text,
            "schema": {**field, **kind, **default},
        }


def _header(header: Header) -> dict[str, Any]:
    return {"description": header.text, "schema": header.schema}


def _content(bodies: Sequence[type[BaseModel] | Content]) -> dict[str, Any]:
    content = {
        b.media_type: {"schema": b.schema} for b in bodies if isinstance(b, Content)
    }
    models = [_reference(body) for body in bodies if not isinstance(body, Content)]
    if models:
        schema = models[0] if len(models) == 1 else {"anyOf": models}
        content["application/json"] = {"schema": schema}
    return content


def _success(status: int, declared: Operation) -> dict[str, Any]:
    headers = {header.name: _header(header) for header in declared.answer_headers}
    content = _content(declared.returns[status])
    return {
        "description": HTTPStatus(status).phrase,
        **({"content": content} if content else {}),
        **({"headers": headers} if headers else {}),
    }


def _problem(explanations: Collection[Explanation]) -> dict[str, Any]:
    """Return the response for several problems; an extension lists their types.

    (!) ``tests/web/test_openapi.py`` compares real answers with it.
    """
    lines = [f"`{each.name}`: {each.title}." for each in explanations]
    return {
        "description": "\n".join(lines),
        "content": {"application/problem+json": {"schema": _reference(Problem)}},
        "x-problem-types": [
            prefixed(f"{PROBLEMS}{each.name}") for each in explanations
        ],
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"{_SCHEMAS}{model.__name__}"}
