"""Drop links, as a stranger has them: what they let in, and nothing out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.http import http_date

from gateway.catalog import drops
from gateway.catalog.tokens import Scope
from gateway.errors import ForgedLinkError
from gateway.links import Key, KeyRing, codes
from gateway.links.keyring import Purpose
from gateway.links.restriction import Kind, Restriction
from gateway.links.server_secret import ServerSecret, Use
from gateway.uploads.drop_budgets import MAXIMUM_SESSIONS
from gateway.uploads.drop_codes import DropCodes
from tests.web.conftest import NOON
from tests.web.letterbox import (
    DAY,
    Letterbox,
    a_letterbox,
    a_token,
    came,
    code_of,
    made_before_the_secret,
)
from tests.web.test_upload_form import part

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site


@pytest.fixture
def box(site: Site) -> Letterbox:
    return a_letterbox(site)


# The code as a bearer token


def test_what_a_stranger_sends_is_the_maker_s(box: Letterbox) -> None:
    answer = box.put("a.txt")
    (upload,) = came(box)
    assert answer.status_code == 201
    assert (upload["name"], upload["drop"]) == ("a.txt", box.drop.id)


def test_a_sender_is_told_what_came_and_not_where_it_is(box: Letterbox) -> None:
    answer = box.put("a.txt")
    assert answer.json == {"name": "a.txt", "size": 0, "type": "text/plain"}
    assert "Location" not in answer.headers


def test_a_code_is_good_for_nothing_else(box: Letterbox) -> None:
    box.put()
    (upload,) = came(box)
    answers = {
        asked: box.ask(*asked.format(id=upload["id"], drop=box.drop.id).split())
        for asked in (
            "GET /api/v1/files",
            "GET /api/v1/files/{id}",
            "GET /files/{id}/a.txt",
            "DELETE /api/v1/files/{id}",
            "POST /api/v1/files/{id}/links",
            "GET /api/v1/drops",
            "POST /api/v1/drops",
            "DELETE /api/v1/drops/{drop}",
            "POST /api/v1/revocations",
            "POST /drops",
            "POST /drops/revoke",
            "POST /delete",
            "POST /password",
        )
    }
    told = {
        asked: (answer.status_code, answer.headers["X-Gateway-Reason"])
        for asked, answer in answers.items()
    }
    assert told == dict.fromkeys(told, (403, "not-permitted"))
    assert came(box) == [upload]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{id}000000000000000000000000", id="forged"),
        pytest.param("{id}", id="no MAC"),
        pytest.param("x{code}", id="longer"),
        pytest.param("{other}", id="of a link that never was"),
        pytest.param("{foreign}", id="of another secret"),
        pytest.param("{by_key}", id="of a link key"),
        pytest.param("{by_key_for_code}", id="of a link key for the code's id"),
    ],
)
def test_another_code_is_nobody_s(box: Letterbox, text: str) -> None:
    code_id = box.drop.code_id
    assert code_id is not None
    box.code = text.format(
        id=code_id,
        code=box.code,
        other=codes.mint(box.site.secret, Use.DROP, "0" * 16),
        foreign=codes.mint(ServerSecret.generate(), Use.DROP, code_id),
        by_key=codes.mint_earlier(box.site.ring, box.drop.id),
        by_key_for_code=codes.mint_earlier(box.site.ring, code_id),
    )
    assert box.put().status_code == 401
    assert box.show().status_code == 404
    assert box.send(part("f", b"x", "a.txt")).status_code == 404
    assert came(box) == []


def test_a_drop_link_that_a_link_key_has_signed_goes_on(box: Letterbox) -> None:
    made_before_the_secret(box)
    box.code = code_of(box.site, box.drop)
    sharing = a_token(box.site, box.maker, Scope.SHARE)
    listed: Any = box.site.client.get("/api/v1/drops", headers=sharing).json
    assert (box.put().status_code, box.show().status_code) == (201, 200)
    assert listed["drops"][0]["url"].endswith(f"/u/{box.code}")
    box.revoke()
    assert box.show().status_code == 410


@pytest.mark.parametrize(
    ("key", "is_on_the_ring"),
    [
        pytest.param(Key.generate(), False, id="of another ring"),
        pytest.param(Key.generate(Restriction(only=Kind.FILES)), True, id="restricted"),
    ],
)
def test_another_link_key_signs_no_drop_link(
    box: Letterbox,
    key: Key,
    is_on_the_ring: bool,  # noqa: FBT001
) -> None:
    made_before_the_secret(box)
    ring = KeyRing((*box.site.ring.keys, *[key] * is_on_the_ring))
    mac = KeyRing((key,)).mac(Purpose.DROP, key.id, box.drop.id.encode())
    code = f"{box.drop.id}.{mac}"
    with box.site.database.read() as connection, pytest.raises(ForgedLinkError):
        DropCodes(box.site.secret, ring).find(connection, code)


def test_drop_links_outlive_the_rotation_of_the_secret(box: Letterbox) -> None:
    rotated = DropCodes(box.site.secret.rotated(), box.site.ring)
    forgotten = DropCodes(box.site.secret.rotated(forget=True), box.site.ring)
    with box.site.database.read() as connection:
        assert rotated.find(connection, box.code) == box.drop
        with pytest.raises(ForgedLinkError):
            forgotten.find(connection, box.code)


def expired(box: Letterbox) -> None:
    box.site.now += DAY


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(Letterbox.revoke, id="revoked"),
        pytest.param(Letterbox.disable_maker, id="maker disabled"),
        pytest.param(expired, id="expired"),
    ],
)
def test_a_link_that_is_over_takes_nothing_whichever_way(
    box: Letterbox, end: Any
) -> None:
    end(box)
    answers = [
        box.put(),
        box.ask("POST", "/tus/", Tus_Resumable="1.0.0", Upload_Length="1"),
        box.show(),
        box.show("?stored=1"),
        box.send(part("f", b"x", "a.txt")),
    ]
    assert [answer.status_code for answer in answers] == [410] * 5
    assert {answer.headers["X-Gateway-Reason"] for answer in answers} == {"drop-over"}
    assert "Holiday" not in answers[3].text
    assert box.site.stored() == []


@pytest.mark.parametrize(
    ("limits", "name", "headers", "status"),
    [
        pytest.param({"max_size": 10}, "a.txt", {"length": "11"}, "413", id="size"),
        pytest.param({"types": ("image/*",)}, "a.txt", {}, "415", id="type"),
        pytest.param({"types": ("image/*",)}, "a.png", {}, None, id="a type of those"),
        pytest.param({"max_size": 10}, "a.txt", {"length": "10"}, None, id="fits"),
    ],
)
def test_what_the_link_does_not_take_is_refused_before_it_comes(
    site: Site,
    limits: dict[str, Any],
    name: str,
    headers: dict[str, str],
    status: str | None,
) -> None:
    box = a_letterbox(site, **limits)
    answer = box.ask(
        "GET",
        "/_admit",
        X_Original_URI=f"/api/v1/files/{name}",
        X_Original_Method="PUT",
        X_Original_Length=headers.get("length", "1"),
    )
    assert answer.headers.get("X-Refusal-Status") == status


def test_content_of_another_kind_than_its_name_says_is_refused(site: Site) -> None:
    box = a_letterbox(site, types=("image/*",))
    answer = box.send(part("f", b"MZ\x90\x00\x03\x00\x00\x00", "cat.png"))
    assert (answer.status_code, site.stored()) == (415, [])


def test_the_maker_s_quota_counts(make_site: MakeSite) -> None:
    box = a_letterbox(make_site(GATEWAY_USER_QUOTA="10"))
    first = box.send(part("f", b"1234", "a.txt"))
    second = box.send(part("f", b"5678", "b.txt"))
    assert (first.status_code, second.status_code) == (303, 507)
    assert len(box.site.stored()) == 1


def test_a_key_of_the_maker_s_gives_a_stranger_nothing(box: Letterbox) -> None:
    """An idempotency key gives back the first upload: to its own sender alone."""
    uploading = a_token(box.site, box.maker, Scope.UPLOAD)
    box.site.client.put(
        "/api/v1/files/secret.txt", headers={**uploading, "Idempotency-Key": "k"}
    )
    first = box.put("mine.txt", Idempotency_Key="k")
    again = box.put("mine.txt", Idempotency_Key="k")
    assert first.json == {"name": "mine.txt", "size": 0, "type": "text/plain"}
    assert again.json == first.json
    assert len(came(box)) == 2


def test_a_stranger_can_not_ask_for_names(box: Letterbox) -> None:
    assert box.put("a.txt", If_None_Match="*").status_code == 403


def test_room_is_given_back_when_the_link_ends_under_an_upload(
    box: Letterbox,
) -> None:
    """It was admitted, its bytes came, and then nobody may send it any more."""
    about = {
        "X_Original_URI": "/api/v1/files/a.txt",
        "X_Original_Method": "PUT",
        "X_Original_Length": "100",
    }
    admitted = box.ask("GET", "/_admit", **about)
    box.disable_maker()
    answer = box.put("a.txt")
    with box.site.database.read() as connection:
        held = connection.exec_driver_sql("SELECT count(*) FROM reservations")
        assert held.scalar_one() == 0
    assert (admitted.status_code, answer.status_code) == (204, 410)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        pytest.param("/api/v1/files/a.txt", "PUT", id="PUT"),
        pytest.param("/tus/", "POST", id="tus"),
        pytest.param("/tus/{session}", "PATCH", id="a chunk"),
        pytest.param("/u/{code}", "POST", id="form"),
    ],
)
def test_a_body_without_a_length_is_refused_before_it_comes(
    site: Site, path: str, method: str
) -> None:
    box = a_letterbox(site, max_size=1000)
    session = begin(box, 9).headers["Location"].removeprefix("/tus/")
    answer = box.ask(
        "GET",
        "/_admit",
        X_Original_URI=path.format(session=session, code=box.code),
        X_Original_Method=method,
        X_Original_Length="",
        Tus_Resumable="1.0.0",
        Upload_Length="9",
        Upload_Offset="0",
        Content_Type="application/offset+octet-stream",
    )
    assert answer.headers["X-Refusal-Status"] == "411"
    assert answer.headers["X-Gateway-Reason"] == "length-required"


# tus


def test_a_stranger_reserves_no_more_than_half_of_the_quota(
    make_site: MakeSite,
) -> None:
    box = a_letterbox(make_site(GATEWAY_USER_QUOTA="1000"))
    asked = [begin(box, size).status_code for size in (501, 500, 1)]
    box.code = a_token(box.site, box.maker, Scope.UPLOAD)["Authorization"].split()[1]
    own = [begin(box, size).status_code for size in (501, 500)]
    assert (asked, own) == ([507, 201, 507], [507, 201])


def test_a_stranger_begins_only_so_many_uploads(site: Site) -> None:
    box = a_letterbox(site)
    statuses = [begin(box, 1).status_code for _ in range(MAXIMUM_SESSIONS + 1)]
    assert statuses == [201] * MAXIMUM_SESSIONS + [423]


def begin(box: Letterbox, size: int = 0) -> TestResponse:
    return box.ask("POST", "/tus/", Tus_Resumable="1.0.0", Upload_Length=str(size))


def test_an_upload_that_was_the_last_can_be_asked_for(site: Site) -> None:
    """Whose last answer was lost asks whether it came, though the link is full."""
    box = a_letterbox(site, max_uploads=1)
    made = begin(box)
    look = box.ask("HEAD", made.headers["Location"], Tus_Resumable="1.0.0")
    assert (made.status_code, look.status_code) == (201, 200)
    assert "Content-Location" not in look.headers
    assert begin(box).status_code == 410


def test_a_stranger_ends_what_is_unfinished_and_not_what_came(box: Letterbox) -> None:
    unfinished, finished = begin(box, 9), begin(box)
    ended = [
        box.ask("DELETE", made.headers["Location"], Tus_Resumable="1.0.0").status_code
        for made in (unfinished, finished)
    ]
    assert ended == [204, 403]
    assert len(came(box)) == 1


def test_another_link_of_the_same_maker_s_leads_to_no_upload(box: Letterbox) -> None:
    made = begin(box, 9)
    with box.site.database.write() as connection:
        other = drops.new(
            connection,
            box.maker,
            title="",
            max_uploads=None,
            max_size=None,
            types=(),
            expires=None,
            now=1,
        )
    box.code = code_of(box.site, other)
    look = box.ask("HEAD", made.headers["Location"], Tus_Resumable="1.0.0")
    assert look.status_code == 404


@pytest.mark.parametrize(
    ("expires", "kept"),
    [
        pytest.param(int(NOON) + 3600, 3600, id="with its link"),
        pytest.param(None, DAY, id="after a day"),
    ],
)
def test_an_unfinished_upload_holds_its_place_for_a_while(
    site: Site, expires: int | None, kept: int
) -> None:
    made = begin(a_letterbox(site, expires=expires), 9)
    assert made.headers["Upload-Expires"] == http_date(int(NOON) + kept)


def test_the_turn_is_given_back_when_the_link_ends_under_a_piece(
    box: Letterbox,
) -> None:
    path = begin(box, 9).headers["Location"]
    about = {
        "Tus_Resumable": "1.0.0",
        "Upload_Offset": "0",
        "Content_Type": "application/offset+octet-stream",
    }
    admitted = box.ask(
        "GET",
        "/_admit",
        X_Original_URI=path,
        X_Original_Method="PATCH",
        X_Original_Length="9",
        **about,
    )
    box.disable_maker()
    answer = box.ask("PATCH", path, **about)
    with box.site.database.read() as connection:
        active_request = connection.exec_driver_sql(
            "SELECT active_request FROM upload_sessions"
        ).scalar_one()
    assert (admitted.status_code, answer.status_code, active_request) == (204, 410, "")


# The page


def test_the_page_says_what_is_taken_and_to_whom_it_goes(site: Site) -> None:
    box = a_letterbox(
        site, max_uploads=3, max_size=2**20, types=("image/*", "application/pdf")
    )
    page = box.show()
    said = " ".join(page.text.split())
    words = " ".join(re.sub("<[^>]+>", "", said).split())
    assert "<h1>Holiday &lt;photos&gt;</h1>" in said
    assert (
        "Accepts only images and PDF. Up to 3 more files. Open until 2027-01-16 08:00"
        in words
    )
    assert "The files that you upload go to ann only." in words
    assert "Up to 1.0 MiB" in said
    assert 'accept="image/*,application/pdf"' in said


def test_the_page_needs_no_cookie_and_is_kept_nowhere(box: Letterbox) -> None:
    page = box.show()
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    assert '<meta name="robots" content="noindex">' in page.text


def test_the_form_stores_and_says_thanks(box: Letterbox) -> None:
    answer = box.send(part("file", b"one", "a.txt"), part("file", b"two", "b.txt"))
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/u/{box.code}?stored=2"
    assert "Set-Cookie" not in answer.headers
    assert "Thank you. 2 files were uploaded." in box.show("?stored=2").text
    assert sorted(upload["name"] for upload in came(box)) == ["a.txt", "b.txt"]


def test_a_form_takes_as_many_as_there_is_room_for(site: Site) -> None:
    box = a_letterbox(site, max_uploads=2)
    answer = box.send(*(part("f", b"x", f"{n}.txt") for n in range(3)))
    back = re.search(r'href="(/u/[^"]+)"', answer.text)
    assert back is not None
    assert answer.status_code == 410
    assert (
        "<strong>2.txt</strong>: This drop link accepts no more uploads" in answer.text
    )
    thanks = site.client.get(back[1])
    assert thanks.status_code == 200
    assert "2 files were uploaded." in thanks.text
    assert "<form" not in thanks.text
    assert (box.show().status_code, len(came(box))) == (410, 2)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("?stored=0", id="none"),
        pytest.param("?stored=99999", id="too many"),
        pytest.param("?stored=%D9%A1", id="other digits"),
        pytest.param("?utm_source=mail", id="a mail tool's"),
    ],
)
def test_a_query_that_is_not_ours_is_ignored(box: Letterbox, query: str) -> None:
    page = box.show(query)
    assert (page.status_code, "Thank you" in page.text) == (200, False)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("", id="nothing"),
        pytest.param("x" * 5000, id="a long one"),
    ],
)
def test_a_form_whose_first_field_is_not_the_code_is_refused(
    box: Letterbox, first: str
) -> None:
    answer = box.send(part("f", b"x", "a.txt"), first=first)
    assert answer.status_code in {400, 403}
    assert box.site.stored() == []


@pytest.mark.parametrize(
    ("code", "length", "status"),
    [
        pytest.param("{}", "50", None, id="good"),
        pytest.param("{}x", "50", "404", id="malformed"),
        pytest.param("%ff", "50", "404", id="bytes"),
        pytest.param("{}", str(2**40), "413", id="too large"),
    ],
)
def test_a_form_is_admitted_by_its_link(
    box: Letterbox, code: str, length: str, status: str | None
) -> None:
    answer = box.site.client.get(
        "/_admit",
        headers={
            "X-Original-URI": f"/u/{code.format(box.code)}?x=y",
            "X-Original-Method": "POST",
            "X-Original-Length": length,
            "X-Request-ID": "a",
        },
    )
    assert answer.headers.get("X-Refusal-Status") == status


@pytest.mark.parametrize(
    ("limits", "length", "statuses"),
    [
        pytest.param({"max_uploads": 1}, 50, [None, "410"], id="number"),
        pytest.param({"max_size": 100}, 2**21, ["413", "413"], id="size"),
    ],
)
def test_a_form_that_comes_is_counted(
    site: Site, limits: dict[str, int], length: int, statuses: list[str | None]
) -> None:
    box = a_letterbox(site, **limits)
    answers = [
        box.ask(
            "GET",
            "/_admit",
            X_Original_URI=f"/u/{box.code}",
            X_Original_Method="POST",
            X_Original_Length=str(length),
            X_Request_ID=request,
        )
        for request in ("a", "b")
    ]
    assert [a.headers.get("X-Refusal-Status") for a in answers] == statuses
