"""The gateway below a path: every path that an answer names is below it, too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.catalog import drops
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.http import path_prefix
from gateway.uploads.drop_codes import DropCodes
from gateway.web.nginx.family import ADMIT
from tests.web.conftest import NOON, PASSWORD, csrf_token
from tests.web.letterbox import a_token
from tests.web.sharing import BROWSER, PROGRAM, RELAY
from tests.web.spooling import Spooling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site

HOST: Final = "https://www.example.com"
PREFIX: Final = "/media"
BELOW: Final = {"GATEWAY_PUBLIC_URL": f"{HOST}{PREFIX}"}
#: Paths and URLs in attributes, in JSON, and in headers.
PATHS: Final = re.compile(r"""(?<=["'= ])(?:/(?=[\w"'?])|https?://)[^"'\s<>;,]*""")
#: Headers whose paths are nginx's, and the policy of a page, which has no path.
FOR_NGINX: Final = {"X-Accel-Redirect", "X-Accel-Target"}
HALF_AN_HOUR: Final = 1800


@dataclass
class World:
    """A site below a path; ann, an admin, is logged in, and has one of everything."""

    site: Site
    headers: dict[str, str]
    values: dict[str, str]
    link: str

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form as ann, who has loaded its page."""
        page = self.site.client.get(f"{PREFIX}/sessions", headers=BROWSER)
        fields = {"csrf_token": csrf_token(page), **fields}
        return self.site.client.post(path, data=fields, headers=BROWSER)


def log_in(client: FlaskClient, **fields: str) -> TestResponse:
    page = client.get(f"{PREFIX}/login", headers=BROWSER)
    fields = {"name": "ann", "password": PASSWORD, **fields}
    form = {"csrf_token": csrf_token(page), **fields}
    return client.post(f"{PREFIX}/login", data=form, headers=BROWSER)


@pytest.fixture
def world(make_site: MakeSite) -> World:
    site = make_site(**BELOW, **RELAY)
    app = site.client.application
    app.wsgi_app = Spooling(app.wsgi_app, site.store, path_prefix=PREFIX)  # type: ignore[method-assign]
    ann = site.add_user("ann", Role.ADMIN)
    headers = a_token(site, ann, *Scope)
    put: Any = [
        site.client.put(
            f"{PREFIX}/api/v1/files/{n}.pdf", data=b"content", headers=headers
        ).json
        for n in range(2)
    ]
    uploads = [upload["id"] for upload in put]
    with site.database.write() as connection:
        drop = drops.new(
            connection,
            ann,
            title="photos",
            max_uploads=None,
            max_size=None,
            types=(),
            expires=int(NOON) + HALF_AN_HOUR,
            now=int(NOON),
        )
    items = [{"upload": upload} for upload in uploads]
    fields = {"items": items, "to": ["bob@example.com"], "title": "reports"}
    made = site.client.post(f"{PREFIX}/api/v1/shares", json=fields, headers=headers)
    share: Any = made.json
    (recipient,) = share["recipients"]
    log_in(site.client)
    values = {
        "upload_id": uploads[0],
        "file": uploads[1],
        "drop_id": drop.id,
        "share_id": share["id"],
        "recipient_id": recipient["id"],
        "name": "not-found",
        "code": recipient["url"].rpartition("/")[2],
        "subject": "url:x",
    }
    return World(site, headers, values, recipient["url"].removeprefix(HOST))


def named(answer: TestResponse) -> set[str]:
    """Return every path and URL that an answer names."""
    headers = [f" {text}" for name, text in answer.headers if name not in FOR_NGINX]
    return {path for text in (answer.text, *headers) for path in PATHS.findall(text)}


def strays(answer: TestResponse) -> set[str]:
    """Return the paths and URLs of an answer that are not below the prefix."""
    below = re.compile(rf"(?:{HOST})?{PREFIX}(?:/.*)?")
    return {path for path in named(answer) if not below.fullmatch(path)}


def asked(world: World) -> Iterator[tuple[str, str]]:
    """Yield each method and path of each route, with what ann has for its variables."""
    for rule in world.site.client.application.url_map.iter_rules():
        path = re.sub(
            r"<(?:\w+:)?(\w+)>", lambda m: world.values.get(m[1], "x"), rule.rule
        )
        for method in sorted(rule.methods or ()):
            yield method, path if path.startswith("/_") else PREFIX + path


@pytest.mark.parametrize("kind", [BROWSER, PROGRAM], ids=["browser", "program"])
def test_every_path_in_an_answer_is_below_the_prefix(
    world: World, kind: dict[str, str]
) -> None:
    """Each route is asked as ann, as a stranger, and by nginx for a verdict."""
    everything = [*asked(world)]
    clients = {"ann": world.site.client, "stranger": world.site.browser()}
    answers = {
        (method, path, who, *extra): client.open(
            path, method=method, headers={**kind, **extra}
        )
        for (who, client), (method, path), extra in product(
            clients.items(), everything, ({}, {"X-Verdict": "a"})
        )
        # Ann's other requests would delete what the pages show.  The paths in the API's
        # description are relative.
        if (method in {"GET", "HEAD", "OPTIONS"} or who == "stranger")
        and not path.endswith("openapi.json")
    }
    found = {one: strays(answer) for one, answer in answers.items()}
    assert {one: paths for one, paths in found.items() if paths} == {}
    assert len(set().union(*map(named, answers.values()))) > 10


def test_every_link_of_a_page_leads_somewhere(world: World) -> None:
    """From the start page all pages are reached, and none of the links is missing."""
    seen: dict[str, int] = {}
    found, waiting = {f"{PREFIX}/"}, [f"{PREFIX}/", world.link]
    while waiting:
        path = waiting.pop()
        answer = world.site.client.get(path, headers=BROWSER)
        seen[path] = answer.status_code
        links = {
            link.replace("&amp;", "&").removeprefix(HOST)
            for link in re.findall(r'<a [^>]*href="([^"#]+)', answer.text)
        }
        waiting += links - found
        found |= links
    assert len(seen) > 10
    assert {path: status for path, status in seen.items() if status != 200} == {}


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        pytest.param(f"{HOST}{PREFIX}", "__Secure-gateway", PREFIX, id="below a path"),
        pytest.param(HOST, "__Host-gateway", "/", id="own host"),
        pytest.param("http://a.example/media", "gateway", PREFIX, id="below, no TLS"),
    ],
)
def test_cookies_are_for_the_paths_below_the_prefix(
    make_site: MakeSite, url: str, name: str, path: str
) -> None:
    """A browser refuses a cookie named `__Host-` with any other path than `/`."""
    site = make_site(GATEWAY_PUBLIC_URL=url)
    site.add_user("ann")
    prefix = path.removesuffix("/")
    page = site.client.get(f"{prefix}/login")
    form = {"csrf_token": csrf_token(page), "name": "ann", "password": PASSWORD}
    answer = site.client.post(f"{prefix}/login", data=form, headers=BROWSER)
    cookies = answer.headers.getlist("Set-Cookie")
    words = [[word.strip() for word in cookie.split(";")] for cookie in cookies]
    assert sorted(first.partition("=")[0] for first, *_ in words) == [
        name,
        f"{name}-browser",
    ]
    assert all(f"Path={path}" in rest for _, *rest in words)


@pytest.mark.parametrize(
    ("text", "led"),
    [
        pytest.param("/media/shares?after=1.a", "/media/shares?after=1.a", id="page"),
        pytest.param("/shares", "/media/", id="a page of the site"),
        pytest.param("/mediax/", "/media/", id="another path of the site"),
        pytest.param("", "/media/", id="nothing"),
    ],
)
def test_a_login_leads_to_a_path_below_the_prefix(
    world: World, text: str, led: str
) -> None:
    assert log_in(world.site.browser(), next=text).headers["Location"] == led


def test_after_a_login_the_page_that_asked_for_it_is_shown(world: World) -> None:
    stranger = world.site.browser()
    refused = stranger.get(f"{PREFIX}/shares", headers=BROWSER)
    file = stranger.get(f"{PREFIX}/files/x/a%20b.pdf", headers=BROWSER)
    assert refused.headers["Location"] == "/media/login?next=/media/shares"
    assert 'href="/media/login?next=/media/files/x/a%20b.pdf"' in file.text


def test_forms_lead_back_below_the_prefix(world: World) -> None:
    values = world.values
    led = [
        world.send(f"{PREFIX}{path}", **fields).headers.get("Location")
        for path, fields in (
            ("/drops/revoke", {"id": values["drop_id"]}),
            (f"/shares/{values['share_id']}", {"title": "new"}),
            ("/delete", {"id": values["upload_id"], "next": "/media/?drop=a"}),
            ("/delete", {"id": values["file"], "next": "/elsewhere"}),
            ("/logout", {}),
        )
    ]
    assert led == [
        "/media/drops",
        f"/media/shares/{values['share_id']}",
        "/media/?drop=a",
        "/media/",
        "/media/login",
    ]


def test_a_lease_is_taken_and_downloaded_below_the_prefix(world: World) -> None:
    stranger = world.site.browser()
    taken = stranger.post(world.link, data={"item": "1/0.pdf"}, headers=BROWSER)
    path = taken.headers["Location"]
    assert (taken.status_code, path.startswith("/media/l/")) == (303, True)
    assert "X-Accel-Redirect" in stranger.get(path, headers=BROWSER).headers


def test_the_page_of_a_lease_leads_to_its_files(world: World) -> None:
    stranger = world.site.browser()
    taken = stranger.post(world.link, headers=BROWSER)
    page = stranger.get(taken.headers["Location"], headers=BROWSER)
    files = re.findall(r'href="(/media/l/[^"]*)"', page.text)
    headers = [stranger.get(path, headers=BROWSER).headers for path in files]
    assert (taken.status_code, strays(page)) == (303, set())
    assert ["X-Accel-Redirect" in each for each in headers] == [True] * 4


def test_a_program_gets_the_urls_of_a_share_s_files(world: World) -> None:
    taken = world.site.browser().post(world.link, headers=PROGRAM)
    listed: Any = world.site.browser().get(taken.headers["Location"], headers=PROGRAM)
    urls = [item["url"] for item in listed.json["items"]]
    assert [url.startswith(f"{HOST}/media/l/") for url in urls] == [True, True]
    found = world.site.browser().get(urls[0].removeprefix(HOST))
    assert "X-Accel-Redirect" in found.headers


def test_uploads_are_told_their_urls(world: World) -> None:
    """Each URL that an answer gives for the next request is of use as it is."""
    client, headers = world.site.client, {**world.headers, "Tus-Resumable": "1.0.0"}
    put = client.put(f"{PREFIX}/api/v1/files/a.txt", data=b"content", headers=headers)
    made = client.post(
        f"{PREFIX}/tus/", headers={**headers, "Upload-Length": "7"}, data=b""
    )
    chunk = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = client.patch(
        made.headers["Location"], data=b"content", headers={**headers, **chunk}
    )
    stored: Any = put.json
    urls = [stored["url"], put.headers["Location"], sent.headers["Content-Location"]]
    assert (put.status_code, made.status_code, sent.status_code) == (201, 201, 204)
    assert made.headers["Location"].startswith("/media/tus/")
    assert all(url.startswith("/media/files/") for url in urls)
    assert {client.get(url, headers=headers).status_code for url in urls} == {200}


def test_parts_are_concatenated_by_their_urls(world: World) -> None:
    client, headers = world.site.client, {**world.headers, "Tus-Resumable": "1.0.0"}
    parts = [
        client.post(
            f"{PREFIX}/tus/",
            data=b"content",
            headers={
                **headers,
                "Upload-Length": "7",
                "Upload-Concat": "partial",
                "Content-Type": "application/offset+octet-stream",
            },
        ).headers["Location"]
        for _ in range(2)
    ]
    concat = f"final;{parts[0]} {HOST}{parts[1]}"
    final = client.post(
        f"{PREFIX}/tus/", headers={**headers, "Upload-Concat": concat}, data=b""
    )
    assert (final.status_code, final.headers["Upload-Offset"]) == (201, "14")


def test_the_next_page_of_a_list_is_below_the_prefix(world: World) -> None:
    client = world.site.client
    first: Any = client.get(f"{PREFIX}/api/v1/files?limit=1", headers=world.headers)
    after: Any = client.get(first.json["next"], headers=world.headers)
    assert len({first.json["files"][0]["id"], after.json["files"][0]["id"]}) == 2


@pytest.mark.parametrize(
    "damage", ["{}.", "{}%3D", "{upper}"], ids=["full stop", "equals sign", "capitals"]
)
def test_a_damaged_link_is_repaired_below_the_prefix(world: World, damage: str) -> None:
    path = world.link.removeprefix(PREFIX)
    damaged = PREFIX + damage.format(path, upper=path.upper())
    answer = world.site.browser().get(damaged, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (308, world.link)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{host}{link}", id="whole"),
        pytest.param("Look: <{host}{link}>.", id="in a sentence"),
        pytest.param("{host}/MEDIA{upper}", id="in capitals"),
        pytest.param("https://old.example{path}", id="from before it had a prefix"),
        pytest.param(
            "https://eur01.safelinks.protection.outlook.com/?url={quoted}&data=x",
            id="wrapped",
        ),
    ],
)
def test_a_pasted_link_is_opened_below_the_prefix(world: World, text: str) -> None:
    path = world.link.removeprefix(PREFIX)
    pasted = text.format(
        host=HOST,
        link=world.link,
        path=path,
        upper=path.upper(),
        quoted=f"{HOST}{world.link}".replace("/", "%2F").replace(":", "%3A"),
    )
    answer = world.site.browser().post(
        f"{PREFIX}/open", data={"link": pasted}, headers=BROWSER
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, world.link)


def test_a_signature_covers_no_prefix(world: World) -> None:
    """A link moves with the gateway: its token and path are valid below any path."""
    path = world.site.sign("a.txt")
    answers = [world.site.client.get(each) for each in (f"{PREFIX}{path}", path)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert "X-Accel-Redirect" in answers[0].headers


def test_links_begin_with_the_public_url(world: World) -> None:
    """Signed URLs, share links and drop links; a signed URL is taken back as it is."""
    client, headers = world.site.client, world.headers
    url = f"{PREFIX}/api/v1/files/{world.values['file']}/links"
    signed: Any = client.post(url, json={"expires_in": 60}, headers=headers).json
    listed: Any = client.get(f"{PREFIX}/api/v1/drops", headers=headers).json
    codes = DropCodes(world.site.secret, world.site.ring)
    revoked = client.post(
        f"{PREFIX}/api/v1/revocations", json={"url": signed["url"]}, headers=headers
    )
    assert signed["url"].startswith(f"{HOST}/media/s/k")
    assert [drop["url"] for drop in listed["drops"]] == [
        f"{HOST}/media/u/{codes.of(drop)}" for drop in all_drops(world.site)
    ]
    assert revoked.status_code == 201
    assert client.get(signed["url"].removeprefix(HOST)).status_code == 410


def all_drops(site: Site) -> list[drops.Drop]:
    with site.database.read() as connection:
        return [*drops.newest(connection, None, limit=10)]


def test_the_description_of_the_api_names_the_prefix_once(world: World) -> None:
    """Its paths are relative to the URL of its server."""
    document: Any = world.site.client.get(f"{PREFIX}/api/v1/openapi.json").json
    assert document["servers"] == [{"url": f"{HOST}/media"}]
    assert {path.split("/")[1] for path in document["paths"]} == {"api"}


def test_a_problem_s_type_is_a_page_below_the_prefix(world: World) -> None:
    problem: Any = world.site.client.get(f"{PREFIX}/nothing", headers=PROGRAM).json
    page = world.site.client.get(problem["type"], headers=BROWSER)
    assert (page.status_code, problem["title"] in page.text) == (200, True)


def test_a_refused_admission_leads_to_the_login_below_the_prefix(
    make_site: MakeSite,
) -> None:
    """Nginx asks for it at a path of its own, without the prefix."""
    about = {
        "X-Original-Method": "POST",
        "X-Original-URI": f"{PREFIX}/upload",
        "X-Original-Length": "10",
    }
    site = make_site(**BELOW)
    answer = site.client.get(ADMIT, headers={**BROWSER, **about})
    assert 'href="/media/login?next=/media/"' in answer.headers["X-Refusal-Body"]


def test_nginx_s_own_names_are_not_there_below_the_prefix(world: World) -> None:
    """To a client that is; nginx refuses them before."""
    about = {"X-Original-Method": "PUT", "X-Original-URI": f"{PREFIX}/api/v1/files/a"}
    answers = [
        world.site.client.get(f"{PREFIX}{path}", headers={**world.headers, **about})
        for path in ("/_admit", "/_cut", "/_begin")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_a_path_of_the_gateway_can_not_be_the_prefix(site: Site) -> None:
    """The first segment of every route, and of what nginx serves, is reserved."""
    rules = [rule.rule for rule in site.client.application.url_map.iter_rules()]
    firsts = {rule.split("/")[1] for rule in rules if not rule.startswith("/_")}
    assert firsts - {""} | {"static"} == path_prefix.OWN - {"p"}
