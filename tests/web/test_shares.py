"""Shares, as their makers have them by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import audit, dump, uploads
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.shares import Key, NewItem
from gateway.catalog.users import Role
from gateway.maintenance.housekeeping import Housekeeper
from gateway.shares.changes import ShareChanges
from gateway.shares.policy import LIFE, SharePolicy
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.disk_blobs import DiskBlobs
from tests.web.conftest import EITHER_CATALOG, NOON
from tests.web.sharing import BROWSER, PROGRAM, RELAY, Sharer, a_sharer

if TYPE_CHECKING:
    from tests.web.conftest import MakeSite, Site


@pytest.fixture
def ann(site: Site) -> Sharer:
    return a_sharer(site)


def listed(ann: Sharer, query: str = "") -> list[dict[str, Any]]:
    url = f"/api/v1/shares{query}"
    body: Any = ann.site.client.get(url, headers=ann.headers).json
    found: list[dict[str, Any]] = body["shares"]
    return found


def test_a_share_is_made_listed_and_shown(ann: Sharer) -> None:
    made = ann.make(
        title=" Q3\n reports ",
        message="For you.\r\nAnn",
        expires_in=3600,
        to=["bob@example.com", "eve@example.com", "BOB@example.com"],
        label="board",
    )
    share: Any = made.json
    shown = ann.site.client.get(f"/api/v1/shares/{share['id']}", headers=ann.headers)
    links = share.pop("recipients")
    assert made.status_code == 201
    assert shown.json == {**share, "recipients": links}
    assert listed(ann) == [{**share, "recipients": links}]
    assert share == {
        "id": share["id"],
        "owner": "ann",
        "title": "Q3 reports",
        "message": "For you.\nAnn",
        "lang": "",
        "state": "open",
        "created": int(NOON),
        "not_before": None,
        "expires": int(NOON) + 3600,
        "revoked": None,
        "max": None,
        "has_password": False,
        "otp": False,
        "items": [
            {
                "number": 1,
                "name": "report.pdf",
                "upload": ann.uploads[0],
                "path": None,
                "size": 1000,
            }
        ],
    }
    assert [
        (one["address"], one["label"], one["state"], one["opened"]) for one in links
    ] == [
        ("bob@example.com", "board", "unopened", None),
        ("eve@example.com", "board", "unopened", None),
    ]
    assert len({one["url"] for one in links}) == 2


def test_a_label_is_one_line(ann: Sharer) -> None:
    (link,) = ann.share(label="the\nboard\t")["recipients"]
    assert link["label"] == "the board"


def test_without_an_address_there_is_one_link(ann: Sharer) -> None:
    share = ann.share()
    (link,) = share["recipients"]
    assert (link["address"], share["expires"]) == ("", int(NOON) + LIFE)
    assert ann.stranger.get(link["url"]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        pytest.param({"items": []}, "items", id="nothing"),
        pytest.param({"items": [{"upload": new_id()}]}, "items", id="no such upload"),
        pytest.param({"items": [{"upload": "../x"}]}, "items", id="no id"),
        pytest.param({"items": [{}]}, "items", id="neither upload nor path"),
        pytest.param({"expires": 1}, "expires", id="an end that has passed"),
        pytest.param({"expires": 0}, "expires", id="an end at the beginning of time"),
        pytest.param({"expires": 5, "expires_in": 5}, "expires", id="two ends"),
        pytest.param(
            {"not_before": int(NOON) + LIFE + 1}, "not_before", id="begins at its end"
        ),
        pytest.param({"max": -1}, "max", id="fewer downloads than none"),
        pytest.param({"max": 10**9}, "max", id="too many downloads"),
        pytest.param({"title": "x" * 201}, "title", id="a long title"),
        pytest.param({"message": "x" * 5001}, "message", id="a long message"),
        pytest.param({"lang": "deutsch!"}, "lang", id="no language"),
        pytest.param({"password": "abc"}, "password", id="a short password"),
        pytest.param({"to": ["bob"]}, "to", id="no address"),
        pytest.param({"to": ["a@b.example\nBcc: c@d.example"]}, "to", id="two lines"),
        pytest.param({"label": "x" * 101}, "label", id="a long label"),
        pytest.param({"unknown": 1}, "unknown", id="an unknown field"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(
    ann: Sharer, fields: dict[str, object], fault: str
) -> None:
    answer = ann.make(**fields)
    body: Any = answer.json
    assert answer.status_code == 400
    assert [error["field"] for error in body["errors"]] == [fault]
    assert listed(ann) == []


def test_what_is_named_twice_is_shared_once(ann: Sharer) -> None:
    twice = [{"upload": ann.uploads[0]}] * 2
    share = ann.share(items=twice)
    edited: Any = ann.edit(share["id"], items=twice).json
    assert [len(share["items"]), len(edited["items"])] == [1, 1]


def test_all_recipients_fit_and_no_more(ann: Sharer) -> None:
    to = [f"u{number}@example.com" for number in range(501)]
    share = ann.share(to=to[:500])
    url = f"/api/v1/shares/{share['id']}/recipients"
    more = ann.site.client.post(url, json={"to": to[500:]}, headers=ann.headers)
    assert (len(share["recipients"]), ann.make(to=to).status_code) == (500, 400)
    assert more.status_code == 400


@EITHER_CATALOG
def test_the_same_key_makes_one_share(site: Site) -> None:
    ann = a_sharer(site)
    ann.headers["Idempotency-Key"] = "a-key"
    first, second, other = ann.make(), ann.make(), ann.make(title="Another")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    assert other.status_code == 409
    assert len(listed(ann)) == 1


@EITHER_CATALOG
def test_the_same_key_at_the_same_time_makes_one_share(site: Site) -> None:
    """Both were asked for before one of them was made."""
    ann = a_sharer(site)
    made = [
        ShareChanges(site.database).make(
            ann.user,
            SharePolicy(),
            [NewItem("report.pdf", upload_id=ann.uploads[0])],
            [NewRecipient()],
            now=int(NOON),
            key=Key("a-key", b"digest"),
        )
        for _ in range(2)
    ]
    assert [is_new for _, is_new in made] == [True, False]
    assert made[0][0] == made[1][0]


def test_a_key_finds_its_share_whatever_became_of_that(site: Site, ann: Sharer) -> None:
    ann.headers["Idempotency-Key"] = "a-key"
    first = ann.make(expires=int(NOON) + 60)
    with site.database.write() as connection:
        upload = uploads.by_id(connection, ann.uploads[0])
        assert upload is not None
        uploads.remove(connection, upload)
    site.now += 61
    again = ann.make(expires=int(NOON) + 60)
    body: Any = first.json
    repeated: Any = again.json
    assert (again.status_code, repeated["id"]) == (200, body["id"])


@pytest.mark.parametrize("key", ["", "a key", "k" * 256])
def test_a_key_that_is_none_is_named(ann: Sharer, key: str) -> None:
    ann.headers["Idempotency-Key"] = key
    answer = ann.make()
    body: Any = answer.json
    assert (answer.status_code, body["errors"][0]["field"]) == (400, "Idempotency-Key")


def test_a_key_is_one_user_s_own(site: Site, ann: Sharer) -> None:
    ann.headers["Idempotency-Key"] = "a-key"
    bob = a_sharer(site, "bob")
    bob.headers["Idempotency-Key"] = "a-key"
    assert (ann.make().status_code, bob.make().status_code) == (201, 201)


def test_somebody_else_s_share_is_not_there(site: Site, ann: Sharer) -> None:
    share = ann.share()
    bob = a_sharer(site, "bob")
    url = f"/api/v1/shares/{share['id']}"
    link = f"{url}/recipients/{share['recipients'][0]['id']}"
    asked = [("GET", url), ("PATCH", url), ("DELETE", url), ("DELETE", link)]
    answers = [
        site.client.open(path, method=method, json={}, headers=bob.headers).status_code
        for method, path in asked
    ]
    assert answers == [404] * 4
    other = site.client.get("/api/v1/shares?owner=ann", headers=bob.headers)
    assert (listed(bob), other.status_code) == ([], 403)
    assert bob.make(items=[{"upload": ann.uploads[0]}]).status_code == 400


def test_an_admin_has_everybody_s(site: Site, ann: Sharer) -> None:
    share = ann.share()
    admin = a_sharer(site, "root", Role.ADMIN)
    url = f"/api/v1/shares/{share['id']}"
    assert site.client.delete(url, headers=admin.headers).status_code == 204
    assert [one["state"] for one in listed(admin, "?owner=*")] == ["revoked"]
    assert [one["state"] for one in listed(admin, "?owner=ann")] == ["revoked"]
    assert listed(admin) == []


def test_the_files_tree_is_shared_by_admins_alone(site: Site, ann: Sharer) -> None:
    admin = a_sharer(site, "root", Role.ADMIN)
    (site.files / "reports" / ".hidden").mkdir(parents=True)
    items = [{"path": "a.txt"}, {"path": "reports"}]
    share = admin.share(items=items)
    missing = [
        admin.make(items=[{"path": path}]).status_code
        for path in ("b.txt", "../a.txt", "/a.txt", "reports/.hidden", "")
    ]
    assert ann.make(items=items).status_code == 403
    assert [item["path"] for item in share["items"]] == ["a.txt", "reports/"]
    assert missing == [400] * 5


def test_everything_is_changed_under_the_same_link(ann: Sharer) -> None:
    share = ann.share(password="secret", max=1)
    (link,) = share["recipients"]
    changed: Any = ann.edit(
        share["id"],
        title="New",
        message="words",
        expires="never",
        password="",
        max=0,
        items=[{"upload": ann.uploads[1]}],
    ).json
    assert changed["recipients"] == [link]
    assert (changed["title"], changed["message"]) == ("New", "words")
    assert (changed["expires"], changed["max"]) == (None, None)
    assert (changed["has_password"], changed["items"][0]["name"]) == (
        False,
        "notes.txt",
    )


def test_what_a_change_does_not_name_stays(ann: Sharer) -> None:
    share = ann.share(title="Old", message="m", expires_in=60, max=3, password="secret")
    changed: Any = ann.edit(share["id"], title="New").json
    assert changed == {**share, "title": "New"}


def test_null_sets_no_end_and_no_limit(ann: Sharer) -> None:
    """Programs send null for what they do not know."""
    share = ann.share(expires=None, expires_in=None, max=None, not_before=None)
    limited = ann.share(max=3, expires_in=60)
    changed: Any = ann.edit(limited["id"], expires=None, max=None).json
    assert (share["expires"], share["max"]) == (int(NOON) + LIFE, None)
    assert (changed["expires"], changed["max"]) == (int(NOON) + 60, None)


def test_a_number_is_given_to_one_item_alone(ann: Sharer) -> None:
    """Who downloads item 2 must not go on with another file under its number."""
    both = [{"upload": upload} for upload in ann.uploads]
    share = ann.share(items=both)
    ann.edit(share["id"], items=both[:1])
    again: Any = ann.edit(share["id"], items=both).json
    assert [item["number"] for item in again["items"]] == [1, 3]


def test_an_expired_share_is_changed_and_prolonged(site: Site, ann: Sharer) -> None:
    share = ann.share(expires_in=60)
    site.now += 61
    renamed: Any = ann.edit(share["id"], title="Late").json
    prolonged: Any = ann.edit(share["id"], expires_in=60).json
    assert (renamed["state"], prolonged["state"]) == ("expired", "open")


def test_one_link_ends_and_the_others_go_on(ann: Sharer) -> None:
    share = ann.share(to=["bob@example.com", "eve@example.com"])
    bob, eve = share["recipients"]
    url = f"/api/v1/shares/{share['id']}/recipients/{bob['id']}"
    ended = [ann.site.client.delete(url, headers=ann.headers).status_code for _ in "12"]
    assert ended == [204, 204]
    assert ann.stranger.get(bob["url"]).status_code == 410
    assert ann.stranger.get(eve["url"]).status_code == 200
    assert [one["state"] for one in listed(ann)[0]["recipients"]] == [
        "over",
        "unopened",
    ]


def test_recipients_are_added(ann: Sharer) -> None:
    share = ann.share()
    url = f"/api/v1/shares/{share['id']}/recipients"
    to = {"to": ["bob@example.com"]}
    more: Any = ann.site.client.post(url, json=to, headers=ann.headers).json
    assert [one["address"] for one in more["recipients"]] == ["", "bob@example.com"]
    assert ann.stranger.get(more["recipients"][1]["url"]).status_code == 200


def test_an_address_gets_another_link_when_its_own_is_revoked(ann: Sharer) -> None:
    share = ann.share(to=["bob@example.com"])
    url = f"/api/v1/shares/{share['id']}/recipients"
    counts = []
    for _ in range(2):
        to = {"to": ["Bob@Example.com"]}
        more: Any = ann.site.client.post(url, json=to, headers=ann.headers).json
        counts.append(len(more["recipients"]))
        link = f"{url}/{share['recipients'][0]['id']}"
        ann.site.client.delete(link, headers=ann.headers)
    assert counts == [1, 2]


@pytest.mark.parametrize("end", ["time", "revocation"])
def test_a_share_that_is_over_gets_no_more_links(
    site: Site, ann: Sharer, end: str
) -> None:
    share = ann.share(expires_in=60)
    url = f"/api/v1/shares/{share['id']}"
    if end == "time":
        site.now += 60
    else:
        site.client.delete(url, headers=ann.headers)
    more = site.client.post(f"{url}/recipients", json={}, headers=ann.headers)
    body: Any = more.json
    assert (more.status_code, body["errors"][0]["field"]) == (400, "to")
    assert len(listed(ann)[0]["recipients"]) == 1


def test_who_did_what_is_written_down(site: Site, ann: Sharer) -> None:
    share = ann.share(password="secret")
    ann.edit(share["id"], title="New", password="another", expires="never")
    ann.edit(share["id"], title="New")
    ann.site.client.delete(f"/api/v1/shares/{share['id']}", headers=ann.headers)
    with site.database.read() as connection:
        entries = audit.of_share(connection, share["id"], limit=9)
    assert [(e.actor, e.action) for e in reversed(entries)] == [
        ("ann", "created"),
        ("ann", "changed"),
        ("ann", "revoked"),
    ]
    assert "argon2" not in entries[1].detail


def test_lists_are_read_by_pages(ann: Sharer) -> None:
    made = [ann.share()["id"] for _ in range(101)]
    first: Any = ann.site.client.get("/api/v1/shares", headers=ann.headers).json
    second: Any = ann.site.client.get(first["next"], headers=ann.headers).json
    found = [one["id"] for one in first["shares"] + second["shares"]]
    assert (sorted(found), len(first["shares"])) == (sorted(made), 100)
    assert second["next"] is None


def test_a_download_is_given_back_once(ann: Sharer) -> None:
    share = ann.share(max=1)
    (link,) = share["recipients"]
    url = f"/api/v1/shares/{share['id']}/recipients/{link['id']}/give-back"
    none = ann.site.client.post(url, headers=ann.headers)
    ann.spend(ann.press(link["url"]).headers["Location"])
    taken = listed(ann)[0]["recipients"][0]["taken"]
    given: Any = ann.site.client.post(url, headers=ann.headers).json
    again = ann.site.client.post(url, headers=ann.headers)
    assert (none.status_code, taken, again.status_code) == (409, 1, 409)
    assert given["recipients"][0]["taken"] == 0
    assert ann.press(link["url"]).status_code == 303


# What was sent


def test_of_who_takes_a_lease_no_address_is_kept(site: Site, ann: Sharer) -> None:
    """What the ledger keeps of it is the operator's choice."""
    ann.press(ann.link())
    with site.database.read() as connection:
        rows = [str(line) for line in dump.read(connection) if line.table == "leases"]
    assert len(rows) == 1
    assert BROWSER["X-Real-IP"].rpartition(".")[0] not in rows[0]


def reached(ann: Sharer) -> tuple[str, int, int, int]:
    """Return how far the only recipient of the newest share has come."""
    (link,) = listed(ann)[0]["recipients"]
    return link["state"], link["percent"], link["taken"], link["sent"]


@EITHER_CATALOG
@pytest.mark.parametrize("most", [0, 1], ids=["open", "counted"])
def test_a_sender_sees_how_far_a_recipient_has_come(site: Site, most: int) -> None:
    ann = a_sharer(site)
    link = ann.link(max=most)
    found = [reached(ann)]
    ann.stranger.get(link, headers=BROWSER)
    found.append(reached(ann))
    lease = ann.press(link).headers["Location"]
    answer = ann.stranger.get(lease)
    found.append(reached(ann))
    ann.sent(answer, 400)
    found.append(reached(ann))
    ann.sent(
        answer,
        600,
        status="206",
        range="bytes 400-999/1000",
        length="600",
        complete="OK",
    )
    found.append(reached(ann))
    assert found == [
        ("unopened", 0, 0, 0),
        ("opened", 0, 0, 0),
        ("begun", 0, 0, 0),
        ("partly", 40, 1, 400),
        ("whole", 100, 1, 1000),
    ]


def test_of_several_files_each_has_to_be_sent_whole(ann: Sharer) -> None:
    link = ann.link(items=[{"upload": upload} for upload in ann.uploads])
    lease = ann.press(link).headers["Location"].rpartition("=")[2]
    found = []
    for name in ("1/report.pdf", "2/notes.txt"):
        ann.sent(ann.stranger.get(f"/l/{lease}/{name}"))
        found.append(reached(ann))
    assert found == [("partly", 50, 1, 1000), ("whole", 100, 1, 2000)]


def test_what_a_program_got_by_the_link_is_seen(ann: Sharer) -> None:
    link = ann.link()
    ann.sent(ann.stranger.get(link, headers=PROGRAM))
    assert reached(ann) == ("whole", 100, 0, 1000)


@pytest.mark.parametrize(
    ("headers", "scanned"),
    [
        pytest.param({"Accept-Language": "de"}, 0, id="a person"),
        pytest.param({}, 1, id="a browser without a language"),
        pytest.param(
            {"User-Agent": "Barracuda Sentinel (EE)", "Accept-Language": "en"},
            1,
            id="a known one",
        ),
    ],
)
def test_a_scanner_s_download_is_labelled(
    ann: Sharer, headers: dict[str, str], scanned: int
) -> None:
    agent = {"User-Agent": "Mozilla/5.0 Firefox/140.0"}
    link = ann.link(max=1)
    pressed = ann.stranger.post(link, headers={**BROWSER, **agent, **headers})
    ann.sent(ann.stranger.get(pressed.headers["Location"]))
    assert listed(ann)[0]["recipients"][0]["scanned"] == scanned


def test_a_share_that_ended_goes_after_some_time(make_site: MakeSite) -> None:
    site = make_site(**RELAY)
    ann = a_sharer(site)
    share = ann.share(expires_in=60, message="Private", to=["bob@example.com"])
    lease = ann.press(share["recipients"][0]["url"]).headers["Location"]
    ann.sent(ann.stranger.get(lease))
    keeper = Housekeeper(
        database=site.database,
        store=BlobStore(site.store),
        blobs=DiskBlobs(BlobStore(site.store)),
        log=print,
        ledger_days=9,
    )
    days = 9 * 86_400
    left = []
    for now in (site.now + 60 + days, site.now + 61 + days):
        assert keeper.round(now=int(now)).faults == []
        left.append(len(listed(ann)))
    with site.database.read() as connection:
        rows = [*dump.read(connection)]
    assert left == [1, 0]
    assert not any("bob@example.com" in str(row) for row in rows)
    assert {row.table for row in rows} == {"users", "tokens", "uploads", "ledger_files"}
