"""Raw uploads through Flask's test client, which makes nginx's requests."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import uploads
from gateway.catalog.tokens import Scope
from gateway.catalog.uploads import Upload
from gateway.storage.blobs import BlobStore, new_id
from gateway.uploads.finalise import Finaliser
from tests.web.conftest import EITHER_CATALOG
from tests.web.letterbox import a_letterbox, a_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

    from gateway.catalog.users import User
    from tests.web.conftest import MakeSite, Site

CONTENT = b"x" * 600


@dataclass
class Sender:
    """A sender with a token or a drop code, with nginx's requests for an upload."""

    site: Site
    owner: User
    bearer: dict[str, str]
    numbers: Iterator[int] = field(default_factory=count)

    def admit(self, name: str = "a.bin", **headers: str) -> int:
        """Return the status that nginx would answer; 204 means that it goes on."""
        answer = self._ask(
            "GET",
            "/_admit",
            **{
                "X_Original_URI": f"/api/v1/files/{name}",
                "X_Original_Method": "PUT",
                "X_Original_Length": str(len(CONTENT)),
                "X_Request_ID": "r",
                **headers,
            },
        )
        return int(answer.headers.get("X-Refusal-Status", answer.status_code))

    def put(self, name: str = "a.bin", **headers: str) -> TestResponse:
        """Admit and send CONTENT as nginx does."""
        sent = {"X_Request_ID": f"request{next(self.numbers)}", **headers}
        assert self.admit(name, **sent) == 204
        return self.finish(name, **sent)

    def finish(self, name: str = "a.bin", **headers: str) -> TestResponse:
        return self.finish_with(CONTENT, name, **headers)

    def finish_with(
        self, content: bytes, /, name: str = "a.bin", **headers: str
    ) -> TestResponse:
        spooled = self.site.store / "spool" / f"{next(self.numbers):010}"
        spooled.write_bytes(content)
        path = f"/api/v1/files/{name}"
        answer = self._ask("PUT", path, X_Spool_File=str(spooled), **headers)
        spooled.unlink()
        return answer

    def usage(self) -> uploads.Usage:
        with self.site.database.read() as connection:
            return uploads.usage(connection, self.owner, now=int(self.site.now))

    def _ask(self, method: str, path: str, **headers: str) -> TestResponse:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        # A client of its own: threads must not share one.
        return self.site.client.application.test_client().open(
            path, method=method, headers={**self.bearer, **sent}
        )


def a_sender(site: Site) -> Sender:
    ann = site.add_user("ann")
    return Sender(site, ann, a_token(site, ann, Scope.UPLOAD))


def a_stranger(site: Site, **limits: Any) -> Sender:
    box = a_letterbox(site, **limits)
    return Sender(site, box.maker, {"Authorization": f"Bearer {box.code}"})


@pytest.fixture
def ann(site: Site) -> Sender:
    return a_sender(site)


def test_an_upload_is_kept_as_long_as_the_operator_says(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_RETENTION="60")
    ann = a_sender(site)
    ann.put()
    with site.database.read() as connection:
        (upload,) = uploads.newest(connection, ann.owner, limit=2)
    assert upload.delete_after == int(site.now) + 60


@EITHER_CATALOG
def test_threads_of_one_process_upload_beside_each_other(make_site: MakeSite) -> None:
    ann = a_sender(make_site(GATEWAY_UPLOADS_PER_USER="0"))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda n: ann.put(f"{n}.bin"), range(72)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({str(answer.json) for answer in answers}) == 72
    assert (ann.usage().by_user, ann.usage().running) == (72 * len(CONTENT), 0)
    assert len(ann.site.stored()) == 72


KEY = {"Idempotency_Key": "k"}


def test_a_repeated_key_returns_the_first_upload_near_the_quota(
    make_site: MakeSite,
) -> None:
    ann = a_sender(make_site(GATEWAY_USER_QUOTA="1000"))
    first = ann.put(**KEY)
    assert ann.admit() == 507
    again = ann.put(**KEY)
    assert (again.status_code, again.json) == (201, first.json)
    assert (ann.usage().by_user, ann.usage().running) == (600, 0)


def test_a_repeated_key_returns_an_upload_that_required_a_new_name(ann: Sender) -> None:
    only_new = {**KEY, "If_None_Match": "*"}
    first = ann.put(**only_new)
    again = ann.put(**only_new)
    assert (again.status_code, again.json) == (201, first.json)
    assert ann.admit(If_None_Match="*") == 412
    assert ann.finish(If_None_Match="*").status_code == 412
    assert ann.usage().running == 0


def test_a_fault_keeps_no_room(ann: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Finaliser, "finalise", fail)
    assert ann.put().status_code == 500
    assert ann.usage().running == 0


def test_a_repeated_key_returns_the_upload_that_filled_a_drop_link(site: Site) -> None:
    stranger = a_stranger(site, max_uploads=1)
    first = stranger.put(**KEY)
    assert stranger.admit() == 410
    again = stranger.put(**KEY)
    assert (again.status_code, again.json) == (201, first.json)
    assert stranger.usage().by_user == 600


def test_a_repeated_upload_needs_disk_space_while_it_is_received(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = a_sender(make_site())
    ann.put(**KEY)
    with monkeypatch.context() as disk:
        disk.setattr(BlobStore, "free_bytes", lambda _: 100)
        assert ann.admit(**KEY) == 507


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        pytest.param("b.bin", {}, id="name"),
        pytest.param("a.bin", {"X_Original_Length": "601"}, id="length"),
        pytest.param("a.bin", {"Content_Digest": "other"}, id="digest"),
    ],
)
def test_a_key_used_for_another_upload_is_refused(
    ann: Sender, name: str, changed: dict[str, str]
) -> None:
    digests = {"Content_Digest": digest(CONTENT)}
    ann.put(**KEY, **digests)
    texts = {"other": digest(b"other")}
    sent = {header: texts.get(text, text) for header, text in changed.items()}
    assert ann.admit(name, **{**digests, **KEY, **sent}) == 409
    assert ann.usage().running == 0


def test_a_repeated_upload_needs_a_length(make_site: MakeSite) -> None:
    """No quota counts it, so only its length limits it."""
    ann = a_sender(make_site(GATEWAY_UPLOAD_SIZE="1M"))
    ann.put(**KEY)
    assert ann.admit(**KEY, X_Original_Length="") == 411
    assert (ann.usage().by_user, ann.usage().running) == (600, 0)


def test_strangers_with_one_drop_link_have_their_own_keys(site: Site) -> None:
    stranger = a_stranger(site)
    names = ["a.bin", "b.bin", "a.bin"]
    assert [stranger.put(name, **KEY).json for name in names] == [
        {"name": name, "size": 600, "type": "application/octet-stream"}
        for name in names
    ]
    assert stranger.usage().by_user == 1200


@pytest.mark.parametrize("name", ["/a.bin", "%2Fa.bin", "//a.bin"])
def test_a_name_that_no_route_matches_is_refused_before_its_body(
    ann: Sender, name: str
) -> None:
    assert ann.admit(name) == 400
    assert ann.usage().running == 0


@pytest.mark.parametrize("key", ["tus:a", "drop:a:b"])
def test_a_key_that_looks_like_the_gateway_s_own_is_refused(
    ann: Sender, key: str
) -> None:
    assert ann.admit(Idempotency_Key=key) == 400


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        pytest.param(600, 600, id="ten minutes at least"),
        pytest.param(2**33, 2**19, id="longer for more"),
    ],
)
def test_a_reservation_lasts_while_the_body_may_arrive(
    ann: Sender, monkeypatch: pytest.MonkeyPatch, size: int, seconds: int
) -> None:
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: 10**12)
    assert ann.admit(X_Original_Length=str(size)) == 204
    ann.site.now += seconds - 1
    assert ann.usage().reserved == size
    ann.site.now += 1
    assert ann.usage().reserved == 0


def test_a_stranger_leaves_the_maker_half_of_the_running_uploads(site: Site) -> None:
    stranger = a_stranger(site)
    admitted = [
        stranger.admit(X_Original_Length="1", X_Request_ID=f"r{number}")
        for number in range(9)
    ]
    maker = replace(stranger, bearer=a_token(site, stranger.owner, Scope.UPLOAD))
    own = [maker.admit(X_Request_ID=f"o{number}") for number in range(9)]
    assert (admitted, own) == ([204] * 8 + [429], [204] * 8 + [429])


def test_a_stranger_s_repeated_upload_counts_as_running_for_the_link(
    site: Site,
) -> None:
    stranger = a_stranger(site)
    stranger.put(**KEY)
    admitted = [stranger.admit(X_Request_ID=f"r{number}", **KEY) for number in range(9)]
    assert admitted == [204] * 8 + [429]


def digest(content: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.mark.parametrize(
    ("of_content", "of_representation", "status"),
    [
        pytest.param(CONTENT, CONTENT, 201, id="both fit"),
        pytest.param(CONTENT, b"other", 400, id="the second does not"),
        pytest.param(b"other", CONTENT, 400, id="the first does not"),
        pytest.param(b"other", b"other", 400, id="neither does"),
    ],
)
def test_both_digests_must_match(
    ann: Sender, of_content: bytes, of_representation: bytes, status: int
) -> None:
    sent = {
        "Content_Digest": digest(of_content),
        "Repr_Digest": digest(of_representation),
    }
    assert ann.finish(**sent).status_code == status


SHA512 = "sha-512=:YWJjZA==:"


@pytest.mark.parametrize("header", ["Content_Digest", "Repr_Digest"], ids=str)
@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(SHA512, 201, id="unknown alone"),
        pytest.param("a=:YQ==:, md5=::;q=1, *.x-y_z=:YQ:", 201, id="several"),
        pytest.param(f"{SHA512}, {{fits}}", 201, id="unknown, then one that fits"),
        pytest.param(f"{{fits}},{SHA512}", 201, id="one that fits, then unknown"),
        pytest.param(f"{SHA512}, {{other}}", 400, id="unknown, then one that does not"),
        pytest.param("{other}, {fits}", 201, id="of two the last counts"),
        pytest.param("xsha-256=:YQ==:", 201, id="name that ends alike"),
        pytest.param("sha-256=:YQ==:", 400, id="too short"),
        pytest.param("sha-256=:Y:", 400, id="not base64"),
        pytest.param("sha-256=abc", 400, id="no byte sequence"),
        pytest.param(f"{SHA512}, rubbish", 400, id="no dictionary"),
        pytest.param("", 400, id="empty"),
    ],
)
def test_digests_of_unknown_algorithms_are_ignored(
    ann: Sender, header: str, text: str, status: int
) -> None:
    """RFC 9530, 2: a recipient may ignore any of the digests."""
    sent = text.format(fits=digest(CONTENT), other=digest(b"other"))
    assert ann.finish(**{header: sent}).status_code == status


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        pytest.param("gzip", 415, id="gzip"),
        pytest.param("GZIP", 415, id="upper case"),
        pytest.param("identity, br", 415, id="several"),
        pytest.param("unheard-of", 415, id="unknown"),
        pytest.param("Identity", 204, id="identity"),
        pytest.param("", 204, id="empty"),
    ],
)
def test_an_encoded_body_is_not_admitted(
    ann: Sender, encoding: str, status: int
) -> None:
    """It would be stored encoded, under the name of the decoded file."""
    assert ann.admit(Content_Encoding=encoding) == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("PUT", "/api/v1/files/a.txt", id="PUT"),
        pytest.param("POST", "/tus/", id="creation"),
        pytest.param("PATCH", "/tus/abc", id="chunk"),
        pytest.param("POST", "/upload", id="form"),
        pytest.param("POST", "/u/abc", id="form of a drop link"),
    ],
)
def test_no_endpoint_accepts_an_encoded_body(
    site: Site, method: str, path: str
) -> None:
    about = {"X-Original-Method": method, "X-Original-URI": path}
    answer = site.client.get("/_admit", headers={"Content-Encoding": "br", **about})
    assert answer.headers["X-Refusal-Status"] == "415"


@pytest.mark.parametrize("place", [0, 1, 15, 31], ids=str)
def test_a_digest_must_match_in_every_byte(ann: Sender, place: int) -> None:
    wrong = bytearray(hashlib.sha256(CONTENT).digest())
    wrong[place] ^= 1
    sent = f"sha-256=:{b64encode(wrong).decode()}:"
    assert ann.finish(Content_Digest=sent).status_code == 400
    assert ann.usage().by_user == 0


def test_digests_that_differ_are_refused_before_the_body(ann: Sender) -> None:
    sent = {"Content_Digest": digest(CONTENT), "Repr_Digest": digest(b"other")}
    assert ann.admit(**sent) == 400


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("bytes 0-599/1200", id="a part"),
        pytest.param("bytes 0-599/600", id="all of it"),
        pytest.param("rubbish", id="rubbish"),
    ],
)
def test_a_partial_put_is_refused(ann: Sender, text: str) -> None:
    assert ann.admit(Content_Range=text) == 400
    assert ann.usage().running == 0


def test_a_long_list_comes_in_pages(site: Site, ann: Sender) -> None:
    made = {new_id() for _ in range(101)}
    with site.database.write() as connection:
        for upload_id in made:
            uploads.add(connection, an_upload(upload_id, ann.owner))
    bearer = a_token(site, ann.owner, Scope.READ)
    first: Any = site.client.get("/api/v1/files", headers=bearer).json
    second: Any = site.client.get(first["next"], headers=bearer).json
    assert (len(first["files"]), len(second["files"])) == (100, 1)
    assert {upload["id"] for upload in first["files"] + second["files"]} == made
    assert second["next"] is None


def an_upload(
    upload_id: str, owner: User, *, name: str = "a.bin", drop_id: str | None = None
) -> Upload:
    return Upload(
        id=upload_id,
        owner_id=owner.id,
        drop_id=drop_id,
        name=name,
        size=1,
        media_type="application/octet-stream",
        blob=f"{upload_id[:2]}/{upload_id}.bin",
        sha256=None,
        created=1,
    )
