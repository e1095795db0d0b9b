"""A gateway below a path of another site, behind the proxy of docs/nginx.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from gateway.config.address import accepts
from gateway.links import LinkSigner
from gateway.runtime.live_conf import directives, find_nginx
from tests.live.ports import free_port
from tests.live.shown import PLACE, blocks
from tests.live.site import LOGIN, MEMBER, a_site
from tests.live.stack import NativeStack, wait_until
from tests.live.test_drops import Box
from tests.live.test_pages import PASSWORD, Person
from tests.live.test_shares import BROWSER, link, press, share
from tests.live.tus import CHUNK_TYPE, Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.site import Site

PREFIX: Final = "/media"
CONTENT: Final = os.urandom(300_000)
#: A site's nginx with the location that the page shows.
SITE: Final = """
pid {home}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            return 200 "the site's own page";
        }}
{location}
    }}
}}
"""


class StackBelow(NativeStack):
    """A gateway below a path; ``url`` is its URL at the site's nginx.

    ``application`` is the site's application that it asks about ``/p/``.
    """

    application: Site

    def __init__(self) -> None:
        super().__init__()
        self.site_port = free_port()
        self.host = f"http://127.0.0.1:{self.site_port}"
        self.own_url, self.url = self.url, f"{self.host}{PREFIX}"
        self.signer = LinkSigner(self.keys, self.url)
        self.settings["GATEWAY_PUBLIC_URL"] = self.url
        self.asked_port = free_port()
        self.settings["GATEWAY_AUTHORIZE"] = f"http://127.0.0.1:{self.asked_port}/ask"

    @contextmanager
    def site(self) -> Iterator[None]:
        """Run the site's nginx."""
        _own, _tls, location = blocks("docs/nginx.md", "nginx")
        with tempfile.TemporaryDirectory(prefix="gw-") as folder:
            conf = Path(folder, "nginx.conf")
            conf.write_text(
                SITE.format(
                    home=folder,
                    port=self.site_port,
                    location=location.replace(PLACE, self.own_url),
                )
            )
            command = [find_nginx(), "-e", "stderr", "-g", directives(), "-c"]
            with subprocess.Popen([*command, str(conf)]) as nginx:
                address = ("127.0.0.1", self.site_port)
                try:
                    wait_until(lambda: accepts(address), what="the site's nginx runs")
                    yield
                finally:
                    nginx.terminate()


@pytest.fixture(scope="module")
def stack() -> Iterator[StackBelow]:
    below = StackBelow()
    with a_site(below.asked_port) as below.application, below.running(), below.site():
        yield below


def test_a_link_is_signed_fetched_and_taken_back(stack: StackBelow) -> None:
    """The third request for it is answered by a kept verdict."""
    stack.put("reports/q3.txt", CONTENT)
    url = stack.gateway("sign", "reports/q3.txt", "--expires", "1h").strip()
    stack.tokens.add(url.removeprefix(stack.url).split("/")[2])
    whole, part = stack.ask(url), stack.ask(url, headers={"Range": "bytes=10-19"})
    told = stack.gateway("inspect", url)
    stack.gateway("revoke", url)
    stack.let_verdicts_end()
    assert url.startswith(f"{stack.url}/s/")
    assert (whole.status_code, whole.content == CONTENT) == (200, True)
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert told.startswith("valid now\n")
    assert stack.ask(url).status_code == 410
    rows = [row for row in whole_log(stack) if row["uri"].endswith("/q3.txt")]
    assert {row["uri"] for row in rows} == {f"{PREFIX}/s/[redacted]/reports/q3.txt"}
    assert "HIT" in {row["verdict_cache"] for row in rows}


def test_the_doctor_finds_nothing_wrong(stack: StackBelow) -> None:
    stack.put("doctor.txt")
    facts = json.loads(stack.gateway("doctor", "--json"))
    assert (facts["url"], facts["findings"]) == (stack.url, [])


def whole_log(stack: StackBelow) -> list[dict[str, Any]]:
    stack.whole_log()
    return stack.logged()


def test_the_key_of_a_link_is_booked(stack: StackBelow) -> None:
    stack.put("key.txt")
    stack.ask(stack.sign("key.txt"))
    own = stack.keys.newest.id

    def is_used() -> bool:
        stack.gateway("housekeep")
        listed = json.loads(stack.gateway("keys", "list", "--json"))
        return any(key["last_used"] for key in listed if key["id"] == own)

    wait_until(is_used, what="the ledger is booked")


@pytest.fixture
def ann(stack: StackBelow) -> Iterator[Person]:
    name = f"ann{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", PASSWORD)
    person = Person(stack, name)
    with person.session:
        yield person


def test_a_person_logs_in_and_uploads_by_the_form(
    stack: StackBelow, ann: Person
) -> None:
    begun = ann.get("/shares")
    logged_in = ann.log_in()
    sent = ann.upload(("a b.bin", CONTENT))
    (path,) = ann.links()
    found = ann.session.get(f"{stack.host}{path}", timeout=30)
    assert begun.headers["Location"] == f"{PREFIX}/login?next={PREFIX}/shares"
    assert (logged_in.status_code, logged_in.headers["Location"]) == (303, "/media/")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/media/")
    assert (path.startswith("/media/files/"), found.content == CONTENT) == (True, True)
    assert {cookie.path for cookie in ann.session.cookies} == {PREFIX}


def test_the_files_of_a_page_are_there(stack: StackBelow, ann: Person) -> None:
    page = ann.get("/login").text
    paths = [part.partition('"')[0] for part in page.split('="')[1:]]
    statics = [path for path in paths if path.startswith(f"{PREFIX}/static/")]
    answers = [requests.get(f"{stack.host}{path}", timeout=20) for path in statics]
    assert len(statics) == 4
    assert {answer.status_code for answer in answers} == {200}


def test_an_upload_is_resumed_by_tus(stack: StackBelow) -> None:
    tus = Tus(stack, stack.new_token("upload", "read"))
    path = tus.create(len(CONTENT))
    place = path.removeprefix(PREFIX)
    half = len(CONTENT) // 2
    first = tus.patch(place, 0, CONTENT[:half])
    second = tus.patch(place, tus.offset(place), CONTENT[half:])
    stored = second.headers["Content-Location"]
    headers = {"Authorization": f"Bearer {tus.token}"}
    found = requests.get(f"{stack.host}{stored}", headers=headers, timeout=20)
    assert path == f"{PREFIX}{place}"
    assert (first.status_code, second.status_code) == (204, 204)
    assert first.headers["Tus-Resumable"] == "1.0.0"
    assert found.content == CONTENT


def test_the_bytes_before_a_cut_are_kept(stack: StackBelow) -> None:
    tus = Tus(stack, stack.new_token("upload", "read"))
    path = tus.create(len(CONTENT))
    place = path.removeprefix(PREFIX)
    connection = HTTPConnection("127.0.0.1", stack.site_port, timeout=20)
    connection.putrequest("PATCH", path)
    for name, text in {
        "Authorization": f"Bearer {tus.token}",
        "Tus-Resumable": "1.0.0",
        "Content-Type": CHUNK_TYPE,
        "Content-Length": str(len(CONTENT)),
        "Upload-Offset": "0",
    }.items():
        connection.putheader(name, text)
    connection.endheaders()
    connection.send(CONTENT[:100_000])
    wait_until(stack.spooled, what="the gateway reads the body")
    connection.close()
    wait_until(lambda: tus.offset(place) > 0, what="what came is kept")


def test_the_command_uploads_to_a_url_with_a_path(
    stack: StackBelow, tmp_path: Path
) -> None:
    token = stack.new_token("upload", "read")
    file = tmp_path / "a.bin"
    file.write_bytes(CONTENT)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "upload", str(file), "--url", stack.url],
        env={
            **os.environ,
            "GATEWAY_TOKEN": token,
            "GATEWAY_DATA": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    url = done.stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert url.startswith(f"{stack.url}/files/")
    assert requests.get(url, headers=headers, timeout=20).content == CONTENT


def test_a_recipient_gets_a_counted_file_from_the_page(stack: StackBelow) -> None:
    stack.put("counted.bin", CONTENT)
    made = share(stack, "counted.bin", "--max", "1")
    url = made["recipients"][0]["url"]
    page = stack.ask(url, headers=BROWSER)
    taken = press(stack, url)
    path = taken.headers["Location"]
    stack.tokens.add(path.split("/")[3])
    file = requests.get(f"{stack.host}{path}", timeout=20)

    def count() -> int:
        stack.gateway("housekeep")
        shown: Any = json.loads(stack.gateway("shares", "show", made["id"], "--json"))
        return int(shown["recipients"][0]["taken"])

    wait_until(lambda: count() == 1, what="the ledger is booked")
    assert (page.status_code, 'action="/media/d/' in page.text) == (200, True)
    assert (taken.status_code, path.startswith("/media/l/")) == (303, True)
    assert (file.status_code, file.content == CONTENT) == (200, True)


def test_the_site_s_application_decides_about_the_path_as_it_was_requested(
    stack: StackBelow,
) -> None:
    """With the prefix, so that its login page can lead back to it."""
    stack.put("p.txt", CONTENT)
    url = f"{stack.url}/p/p.txt"
    permitted = stack.send(url, headers=MEMBER)
    refused = stack.send(url)
    asked = {q.headers["X-Original-URI"] for q in stack.application.questions}
    assert (permitted.status_code, permitted.content == CONTENT) == (200, True)
    assert (refused.status_code, refused.headers["Location"]) == (302, LOGIN)
    assert asked == {f"{PREFIX}/p/p.txt"}


def test_a_damaged_link_is_repaired_and_a_pasted_one_opened(stack: StackBelow) -> None:
    stack.put("damaged.bin")
    url = link(stack, "damaged.bin")
    path = url.removeprefix(stack.host)
    damaged = stack.ask(f"{url}.", headers=BROWSER)
    form = {"link": f"Look: <{url}>."}
    pasted = stack.ask(f"{stack.url}/open", "POST", headers=BROWSER, data=form)
    assert (damaged.status_code, damaged.headers["Location"]) == (308, path)
    assert (pasted.status_code, pasted.headers["Location"]) == (303, path)


def test_what_is_sent_by_a_drop_link_reaches_its_maker(stack: StackBelow) -> None:
    box = Box(stack)
    page = stack.ask(box.url, headers=BROWSER)
    answers = [box.put("put.bin"), box.send(("form.bin", CONTENT))]
    listed: Any = box.ask(f"/api/v1/files?drop={box.id}").json()
    assert 'data-endpoint="/media/tus/"' in page.text
    assert [answer.status_code for answer in answers] == [201, 303]
    assert answers[1].headers["Location"] == f"/media/u/{box.code}?stored=1"
    assert sorted(file["name"] for file in listed["files"]) == ["form.bin", "put.bin"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/nothing", id="of Flask"),
        pytest.param("/static/nothing", id="of nginx"),
        pytest.param("/s/k1.e2.i1/nothing", id="of a verdict"),
    ],
)
def test_a_page_of_a_refusal_leads_below_the_prefix(
    stack: StackBelow, path: str
) -> None:
    answer = stack.send(stack.url + path, headers=BROWSER)
    problem = stack.send(stack.url + path).json()
    page = stack.send(stack.host + problem["type"], headers=BROWSER)
    assert (answer.status_code, 'action="/media/open"' in answer.text) == (404, True)
    assert (problem["type"], page.status_code) == ("/media/problems/not-found", 200)


def test_the_rest_of_the_host_is_the_site_s(stack: StackBelow) -> None:
    for path in ("/", "/login", "/mediax", "/MEDIA/login", "/s/x/y"):
        assert stack.send(stack.host + path).text == "the site's own page"
    bare = stack.send(stack.host + PREFIX)
    assert (bare.status_code, bare.headers["Location"]) == (301, f"{stack.host}/media/")


def test_other_spellings_that_the_proxy_passes_on_are_not_there(
    stack: StackBelow,
) -> None:
    """The site's nginx decodes a path before it chooses its location, too."""
    connection = HTTPConnection("127.0.0.1", stack.site_port, timeout=20)
    statuses = {}
    for target in (
        *("/%6dedia/login", "/x/../media/login", "/media/../media/login"),
        # A path has one spelling only, which the site's application is asked about.
        *("/media/p/%70.txt", "/%6dedia/p/p.txt", "/media/_authorize"),
    ):
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        statuses[target] = answer.status
    connection.close()
    assert set(statuses.values()) == {404}
