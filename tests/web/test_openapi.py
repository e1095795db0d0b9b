"""The API's description: it is valid and complete, and real answers keep to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from gateway.catalog import drops
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from tests.web.conftest import NOON
from tests.web.letterbox import a_token
from tests.web.sharing import RELAY, a_sharer
from tests.web.spooling import Spooling
from tests.web.test_api_and_commands import API_ONLY, COMMANDS

if TYPE_CHECKING:
    from tests.web.conftest import MakeSite, Site

PATH = "/api/v1/openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def described(site: Site) -> dict[str, Any]:
    answer = site.client.get(PATH)
    assert answer.status_code == 200
    document: Any = answer.json
    assert isinstance(document, dict)
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations of a document by their ids."""
    return {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }


def test_the_description_needs_no_login_and_names_the_site(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_PUBLIC_URL="https://files.example.com")
    document = described(site)
    assert document["servers"] == [{"url": "https://files.example.com"}]
    assert operations(document)["getDescription"]["security"] == []


def test_the_description_is_valid(site: Site) -> None:
    """OpenAPI's own schema looks at no model's schema: JSON Schema's does."""
    document = described(site)
    OPENAPI_31_VALIDATOR.validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    known = set(document["components"]["schemas"])
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named == known


def test_each_operation_has_an_id_and_a_summary_of_its_own(site: Site) -> None:
    paths = described(site)["paths"].values()
    all_of_them = [one for methods in paths for one in methods.values()]
    for key in ("operationId", "summary"):
        assert len({one[key] for one in all_of_them}) == len(all_of_them)


def test_every_route_of_the_api_is_described_with_its_methods(site: Site) -> None:
    """Flask answers HEAD and OPTIONS by itself."""
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in site.client.application.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    paths = described(site)["paths"]
    assert {(path, method) for path in paths for method in paths[path]} == routed


@dataclass
class Fuzzed:
    """A site whose API is called with whatever its description allows, and more."""

    site: Site
    schema: Any
    tokens: list[dict[str, str]]
    known: dict[str, dict[str, Any]]
    """A request that succeeds, by the operation."""


@pytest.fixture
def fuzzed(make_site: MakeSite) -> Fuzzed:
    site = make_site(**RELAY, GATEWAY_UPLOADS_PER_USER="0")
    ann = a_sharer(site)
    root = a_token(site, site.add_user("root", Role.ADMIN), *Scope)
    share = ann.share(to=["reader@example.com"], max=2)
    ids = {"share_id": share["id"], "recipient_id": share["recipients"][0]["id"]}
    ann.spend(ann.press(share["recipients"][0]["url"]).location)
    with site.database.write() as connection:
        drop = drops.new(
            connection,
            ann.user,
            title="",
            max_uploads=None,
            max_size=None,
            types=(),
            expires=None,
            now=int(NOON),
        )
    site.client.post("/api/v1/revocations", json={"path": "b"}, headers=root)
    app = Spooling(site.client.application.wsgi_app, site.store)
    upload = ann.uploads[0]
    known: dict[str, dict[str, Any]] = {
        "uploadFile": {"path_parameters": {"file": "a.txt"}, "body": b"content"},
        "getFile": {"path_parameters": {"file": upload}},
        "createLink": {
            "path_parameters": {"upload_id": upload},
            "body": {"expires": "never", "networks": ["192.0.2.0/24"]},
        },
        "createShare": {
            "body": {"items": [{"upload": upload}], "to": ["b@example.com"]}
        },
        "createDrop": {"body": {"expires_in": 60, "types": ["image/*"]}},
        "createRevocation": {"body": {"upload": upload, "before": "2026-01-31"}},
        "undoRevocation": {"path_parameters": {"subject": "path:b"}},
        "revokeDrop": {"path_parameters": {"drop_id": drop.id}},
        "getShare": {"path_parameters": ids},
        "editShare": {"path_parameters": ids, "body": {"title": "Other"}},
        "addRecipients": {"path_parameters": ids, "body": {"to": ["c@example.com"]}},
    }
    for operation in (
        *("revokeShare", "revokeRecipient", "mailRecipient", "giveBack"),
        *("listShareHistory", "getSentTable"),
    ):
        known[operation] = {"path_parameters": ids}
    stored: Any = site.client.put("/api/v1/files/b.txt", headers=ann.headers).json
    known["deleteFile"] = {"path_parameters": {"file": stored["id"]}}
    config = SchemathesisConfig.from_dict(
        {"generation": {"with-security-parameters": False}}
    )
    schema = schemathesis.openapi.from_wsgi(PATH, app, config=config)
    return Fuzzed(site, schema, [ann.headers, root, {}], known)


def problem_is_listed(ctx: object, response: Any, case: Any) -> None:
    """Check that the description lists the very problem of an answer."""
    del ctx
    if response.status_code < 400:
        return
    answers = case.operation.definition.raw["responses"]
    listed = answers[str(response.status_code)]["x-problem-types"]
    assert response.json()["type"] in listed, response.text


@pytest.mark.parametrize("operation_id", [*COMMANDS, *API_ONLY])
def test_answers_keep_to_the_description(fuzzed: Fuzzed, operation_id: str) -> None:
    operation = fuzzed.schema.find_operation_by_id(operation_id)
    takes_data = bool(
        operation.definition.raw.get("parameters")
        or operation.definition.raw.get("requestBody")
    )
    statuses = set()
    known = fuzzed.known.get(operation_id, {})
    path = {key: value for key, value in known.items() if key == "path_parameters"}
    strategies = [
        operation.as_strategy(**known),
        operation.as_strategy(**path),
        operation.as_strategy(),
    ]
    negative = GenerationMode.NEGATIVE
    if takes_data:
        strategies.append(operation.as_strategy(generation_mode=negative))
        strategies.append(operation.as_strategy(generation_mode=negative, **path))

    @settings(
        max_examples=15,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(strategies), st.sampled_from(fuzzed.tokens))
    def check(case: Any, token: dict[str, str]) -> None:
        response = case.call(headers=token)
        statuses.add(response.status_code)
        case.validate_response(response, checks=[*CHECKS, problem_is_listed])

    check()
    assert min(statuses) < 300
