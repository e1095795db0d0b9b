"""The API's links and revocations: who may, what is understood, what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import tokens, uploads, users
from gateway.catalog.tokens import Scope
from gateway.catalog.uploads import Upload
from gateway.catalog.users import Role
from gateway.links import Claims, signed_url
from gateway.storage.blobs import new_id
from tests.users import a_user
from tests.web.conftest import NOON

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from gateway.catalog.database import Database
    from gateway.catalog.users import User
    from tests.web.conftest import Site


@dataclass
class House:
    """A site with accounts: ann and ben are members, root is an admin."""

    site: Site
    database: Database
    tokens: dict[str, str]
    upload: Upload

    def post(self, who: str, url: str, body: object) -> TestResponse:
        return self.site.client.post(
            url, json=body, headers={"Authorization": f"Bearer {self.tokens[who]}"}
        )

    def revoke(self, who: str, **body: object) -> TestResponse:
        return self.post(who, "/api/v1/revocations", body)

    def link(self, **requested: object) -> TestResponse:
        url = f"/api/v1/files/{self.upload.id}/links"
        return self.post("ann", url, {"expires_in": 60, **requested})

    def ask(self, who: str, method: str, url: str) -> TestResponse:
        return self.site.client.open(
            url,
            method=method,
            headers={"Authorization": f"Bearer {self.tokens[who]}"},
        )

    def status(self, url: str) -> int:
        return self.site.client.get(url).status_code


def a_holder(
    database: Database, name: str, role: Role, *scopes: Scope
) -> tuple[User, str]:
    with database.write() as connection:
        user = a_user(connection, name, role=role)
        return user, tokens.new(connection, user, scopes=scopes, expires=None, now=1)


@pytest.fixture
def house(site: Site) -> House:
    database = site.database
    ann, ann_token = a_holder(database, "ann", Role.MEMBER, Scope.SHARE)
    texts = {
        "ann": ann_token,
        "ann reading": "",
        "ben": a_holder(database, "ben", Role.MEMBER, Scope.SHARE)[1],
        # A member's token may have any scope: it makes no admin of them.
        "dan": a_holder(database, "dan", Role.MEMBER, Scope.ADMIN, Scope.SHARE)[1],
        "root": a_holder(database, "root", Role.ADMIN, Scope.ADMIN, Scope.SHARE)[1],
        "root sharing": a_holder(database, "root2", Role.ADMIN, Scope.SHARE)[1],
    }
    with database.write() as connection:
        texts["ann reading"] = tokens.new(
            connection, ann, scopes=[Scope.READ], expires=None, now=1
        )
        upload_id = new_id()
        upload = Upload(
            id=upload_id,
            owner_id=ann.id,
            name="Q3 ü.txt",
            size=1,
            media_type="text/plain",
            blob=f"{upload_id[:2]}/{upload_id}.txt",
            sha256=None,
            created=1,
        )
        uploads.add(connection, upload)
    return House(site, database, texts, upload)


def fields(answer: TestResponse) -> list[str]:
    """Return the faulty fields that a refusal names."""
    assert answer.mimetype == "application/problem+json"
    body: Any = answer.json
    return [error["field"] for error in body["errors"]]


# What a catalog that is away means


def lose_the_catalog(site: Site) -> None:
    site.database.engine.dispose()
    catalog = site.files.parent / "data" / "catalog.sqlite3"
    catalog.unlink()
    catalog.mkdir()


def test_without_a_catalog_nothing_is_delivered(site: Site) -> None:
    lose_the_catalog(site)
    answer = site.client.get(site.sign("a.txt"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "X-Accel-Redirect" not in answer.headers
    assert answer.headers["X-Gateway-Reason"] == "catalog-busy"


def test_a_link_that_is_over_needs_no_catalog(site: Site) -> None:
    url = site.sign("a.txt")
    site.now += 7200
    lose_the_catalog(site)
    assert site.client.get(url).status_code == 410


# Links


def test_a_link_to_an_upload_leads_to_its_blob(house: House) -> None:
    answer = house.link()
    back = house.site.client.get(answer.json["url"])  # type: ignore[index]
    assert (answer.status_code, back.status_code) == (201, 200)
    assert back.headers["X-Accel-Redirect"] == f"/_shown_blobs/{house.upload.blob}"
    assert "filename*=UTF-8''Q3%20%C3%BC.txt" in back.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("requested", "claim", "value"),
    [
        pytest.param({}, "expires", int(NOON) + 60, id="life"),
        pytest.param(
            {"expires_in": None, "expires": "never"}, "expires", None, id="never"
        ),
        pytest.param(
            {"expires_in": None, "expires": "2027-01-15T10:00:00+01:00"},
            "expires",
            int(NOON) + 3600,
            id="end",
        ),
        pytest.param({"attachment": True}, "presentation", "attachment", id="save"),
        pytest.param({"rate": 9}, "rate", 9, id="rate"),
        pytest.param({}, "shared", False, id="not shared"),
        pytest.param({"shared": True}, "shared", True, id="shared"),
        pytest.param(
            {"not_before": "2027-01-15T08:00:01"},
            "not_before",
            int(NOON) + 1,
            id="begin in words",
        ),
    ],
)
def test_each_field_becomes_its_claim(
    house: House, requested: dict[str, object], claim: str, value: object
) -> None:
    answer = house.link(**requested)
    token, _ = signed_url.split(answer.json["url"])  # type: ignore[index]
    assert getattr(Claims.parse(token.rpartition(".")[0]), claim) == value


def test_a_link_can_have_another_name_and_networks(house: House) -> None:
    answer = house.link(name="a/b\x00 c.txt", networks=["192.0.2.0/24"])
    token, path = signed_url.split(answer.json["url"])  # type: ignore[index]
    claims = Claims.parse(token.rpartition(".")[0])
    assert path == "b c.txt"
    assert [str(network) for network in claims.networks] == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    ("requested", "named"),
    [
        pytest.param({"expires_in": 0}, "expires_in", id="no life"),
        pytest.param({"expires_in": "60"}, "expires_in", id="text for a number"),
        pytest.param({"expires_in": 10**30}, "expires_in", id="longer than time"),
        pytest.param({"expires": "soon"}, "expires", id="no moment"),
        pytest.param({"expires": 0}, "expires", id="never in disguise"),
        pytest.param({"not_before": -1}, "not_before", id="before time"),
        pytest.param({"rate": 0}, "rate", id="no rate"),
        pytest.param({"shared": "yes"}, "shared", id="text for a truth"),
        pytest.param({"networks": ["192.0.2.1/24"]}, "networks.0", id="host bits"),
        pytest.param({"networks": ["10.0.0.0/8"] * 17}, "networks", id="many networks"),
        pytest.param({"name": "\u202e"}, "name", id="nothing left of a name"),
        pytest.param({"nmae": "x"}, "nmae", id="unknown"),
    ],
)
def test_a_wish_that_can_not_be_understood_names_the_field(
    house: House, requested: dict[str, object], named: str
) -> None:
    answer = house.link(**requested)
    assert answer.status_code == 400
    assert named in fields(answer)


@pytest.mark.parametrize(
    "requested",
    [
        pytest.param({"expires_in": None}, id="no end"),
        pytest.param({"expires": 2_000_000_000}, id="two ends"),
        pytest.param({"expires_in": None, "expires": 1}, id="an end that has been"),
        pytest.param({"not_before": int(NOON) + 60}, id="begins at its end"),
        pytest.param({"networks": ["::ffff:192.0.2.0/120"]}, id="mapped network"),
        pytest.param(
            {"shared": True, "networks": ["10.0.0.0/8"]}, id="shared for networks"
        ),
    ],
)
def test_fields_that_make_no_sense_together_are_refused(
    house: House, requested: dict[str, object]
) -> None:
    answer = house.link(**requested)
    assert (answer.status_code, fields(answer)) == (400, [""])


@pytest.mark.parametrize(
    ("who", "status"),
    [
        pytest.param("ann", 201, id="owner"),
        pytest.param("ann reading", 403, id="owner without the scope"),
        pytest.param("ben", 404, id="somebody else"),
        pytest.param("dan", 404, id="somebody else with an admin's scope"),
        pytest.param("root", 201, id="admin"),
        pytest.param("root sharing", 404, id="admin without the scope"),
    ],
)
def test_the_owner_and_admins_may_make_links(
    house: House, who: str, status: int
) -> None:
    url = f"/api/v1/files/{house.upload.id}/links"
    assert house.post(who, url, {"expires_in": 60}).status_code == status


def test_there_are_no_links_to_what_is_not_there(house: House) -> None:
    urls = [f"/api/v1/files/{upload}/links" for upload in (new_id(), "x", "é")]
    answers = [house.post("root", url, {"expires_in": 60}) for url in urls]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="cut"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"\xff\xfe{}", id="bytes"),
    pytest.param(b'{"name": "\\ud800"}', id="lone surrogate"),
    pytest.param(b"[" * 60_000, id="deep"),
    pytest.param(b'{"rate": ' + b"9" * 60_000 + b"}", id="a long number"),
    pytest.param(
        b"{" + b",".join(b'"%d":1' % n for n in range(5000)) + b"}", id="many fields"
    ),
]


@pytest.mark.parametrize("body", BODIES)
def test_rubbish_is_refused_in_few_words(house: House, body: bytes) -> None:
    answer = house.site.client.post(
        "/api/v1/revocations",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {house.tokens['root']}"},
    )
    assert answer.status_code == 400
    assert 1 <= len(fields(answer)) <= 20
    assert len(answer.data) < 4000


def test_what_a_form_could_send_is_refused(house: House) -> None:
    answer = house.site.client.post(
        "/api/v1/revocations",
        data=b'{"path": ""}',
        content_type="text/plain",
        headers={"Authorization": f"Bearer {house.tokens['root']}"},
    )
    assert answer.status_code == 415


# Revocations


def test_a_member_takes_back_links_to_own_uploads_alone(house: House) -> None:
    mine = house.site.signer.sign(
        "a", expires=timedelta(hours=1), upload=house.upload.id
    )
    tree = house.site.sign("a.txt")
    asked = [
        house.revoke("ben", url=mine),
        house.revoke("ben", upload=house.upload.id),
        house.revoke("ann", url=tree),
        house.revoke("ann", path="a.txt"),
        house.revoke("ann", key=house.site.signer.ring.newest.id),
        house.revoke("ann reading", url=mine),
        house.revoke("root sharing", path=""),
        house.revoke("dan", path=""),
    ]
    assert [a.status_code for a in asked] == [404, 404, 403, 403, 403, 403, 403, 403]
    assert (house.status(mine), house.status(tree)) == (200, 200)
    assert house.revoke("ann", url=mine).status_code == 201
    assert (house.status(mine), house.status(tree)) == (410, 200)


def test_a_single_url_is_kept_until_it_expires(house: House) -> None:
    answer = house.revoke("root", url=house.site.sign("a.txt"))
    body: Any = answer.json
    assert body["keep_until"] == NOON + 3600
    assert body["subject"].startswith("url:")


def test_revoking_twice_is_no_fault(house: House) -> None:
    url = house.site.sign("a.txt")
    first, second = (house.revoke("root", url=url) for _ in range(2))
    assert first.json == second.json


def test_a_link_that_is_issued_later_is_good(house: House) -> None:
    old = house.site.sign("a.txt")
    house.revoke("root", path="a.txt")
    house.site.now += 1
    assert (house.status(old), house.status(house.site.sign("a.txt"))) == (410, 200)


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        pytest.param("d/e", (410, 410, 200), id="its folder"),
        pytest.param("d/e/f", (200, 200, 200), id="a part of a name"),
    ],
)
def test_a_folder_link_is_ended_where_the_path_is_taken_back(
    house: House, path: str, statuses: tuple[int, int, int]
) -> None:
    (house.site.files / "d" / "e").mkdir(parents=True)
    (house.site.files / "d" / "e" / "f.txt").touch()
    (house.site.files / "d" / "e" / "g.txt").touch()
    folder = house.site.sign("d", folder=True)
    house.revoke("root", path=path)
    assert (
        house.status(f"{folder}e/f.txt"),
        house.status(f"{folder}e/g.txt"),
        house.status(house.site.sign("a.txt")),
    ) == statuses


def test_everything_includes_links_to_uploads(house: House) -> None:
    url = house.link().json["url"]  # type: ignore[index]
    named_alike = house.revoke("root", path="Q3 ü.txt").status_code
    before = house.status(url)
    house.revoke("root", path="")
    assert (named_alike, before, house.status(url)) == (201, 200, 410)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"path": "a", "key": "b"}, "", id="two"),
        pytest.param({"url": "x", "before": 1}, "", id="a url before"),
        pytest.param({"path": None}, "", id="null"),
        pytest.param({"path": 1}, "path", id="a number for a path"),
        pytest.param({"path": "../a"}, "path", id="outside"),
        pytest.param({"key": "other"}, "key", id="unknown key"),
        pytest.param({"url": "/s/kx.e0.i1.AAAA/a"}, "url", id="forged"),
        pytest.param({"path": "a", "before": "then"}, "before", id="no moment"),
        pytest.param({"path": "a", "before": 10**20}, "before", id="beyond time"),
    ],
)
def test_a_revocation_that_can_not_be_understood_names_the_field(
    house: House, body: dict[str, object], named: str
) -> None:
    answer = house.revoke("root", **body)
    assert (answer.status_code, fields(answer)) == (400, [named])


def test_what_is_revoked_is_listed_and_can_be_undone(house: House) -> None:
    url = house.site.sign("a.txt")
    house.revoke("root", path="ä b/c")
    house.revoke("root", path="a.txt")
    listed: Any = house.ask("root", "GET", "/api/v1/revocations").json
    rest: Any = house.ask("root", "GET", "/api/v1/revocations?after=path:a.txt").json
    subjects = [one["subject"] for one in listed["revocations"]]
    assert subjects == ["path:a.txt", "path:ä b/c"]
    assert [one["subject"] for one in rest["revocations"]] == subjects[1:]
    revoked = house.status(url)
    undone = [
        house.ask("root", "DELETE", f"/api/v1/revocations/{subject}").status_code
        for subject in ("path:a.txt", "path:%C3%A4%20b/c", "path:a.txt")
    ]
    assert (revoked, undone, house.status(url)) == (410, [204, 204, 404], 200)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        pytest.param("GET", "/api/v1/revocations", id="list"),
        pytest.param("DELETE", "/api/v1/revocations/path:", id="undo"),
    ],
)
def test_only_admins_see_and_undo(house: House, method: str, url: str) -> None:
    house.revoke("root", path="")
    assert house.ask("ann", method, url).status_code == 403
    assert house.ask("root sharing", method, url).status_code == 403
    assert house.ask("dan", method, url).status_code == 403


def test_the_links_of_a_disabled_owner_are_gone(house: House) -> None:
    url = house.link().json["url"]  # type: ignore[index]
    with house.database.write() as connection:
        ann = users.by_name(connection, "ann")
        users.set_disabled(connection, ann, is_disabled=True)
    answer = house.site.client.get(url)
    assert (answer.status_code, answer.headers["X-Gateway-Reason"]) == (
        410,
        "owner-disabled",
    )


def test_a_hidden_name_is_delivered_under_it(house: House) -> None:
    upload = replace(house.upload, id=new_id(), name=".profile", blob=new_blob())
    with house.database.write() as connection:
        uploads.add(connection, upload)
    answer = house.post("ann", f"/api/v1/files/{upload.id}/links", {"expires_in": 9})
    back = house.site.client.get(answer.json["url"])  # type: ignore[index]
    assert 'filename=".profile"' in back.headers["Content-Disposition"]


def new_blob() -> str:
    blob_id = new_id()
    return f"{blob_id[:2]}/{blob_id}.txt"
