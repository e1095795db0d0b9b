"""Taking back, on all stacks: what ends with what, and what goes on beside it."""

from __future__ import annotations

import itertools
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.links import Key, KeyRing, LinkSigner
from tests.live.stack import NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.stack import Stack

pytestmark = pytest.mark.database

#: More than there are workers, and at once, so that all of them are asked.
ROUNDS: Final = 8
#: Long ago, so that no other test's links come under what is revoked "before".
LONG_AGO: Final = 1_000_000_000
_numbers = itertools.count(1)


@dataclass
class World:
    """A file, an upload, and every address that leads to them; and neighbours.

    All links were signed with one key, long ago, and never expire.  Each world
    is older than the next, so that what is revoked in one spares later ones.
    """

    stack: Stack
    key: Key
    issued: int = 0
    folder: str = ""
    user: str = ""
    token: str = ""
    upload: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    neighbours: dict[str, str] = field(default_factory=dict)

    def build(self) -> World:
        number = next(_numbers)
        self.issued = LONG_AGO + 100 * number
        name = f"w{os.getpid()}x{number}"
        self.folder, self.user = f"back/{name}", name
        self.stack.put(f"{self.folder}/in/a.txt", b"file\n")
        self.stack.put(f"{self.folder}/beside.txt", b"file\n")
        self.stack.put(f"{self.folder}/in/beside.txt", b"file\n")
        self.stack.gateway("users", "add", name, "--password", "a long password")
        self.token = self.stack.new_token("upload", "read", user=name)
        made = self.put_upload()
        other = self.put_upload()
        self.upload = made["id"]
        folder = self.sign(f"{self.folder}/in", folder=True)
        self.addresses = {
            "tree": self.sign(f"{self.folder}/in/a.txt"),
            "folder": f"{folder}a.txt",
            "upload": self.sign("a.txt", upload=made["id"]),
            "owner": self.stack.url + made["url"],
        }
        self.neighbours = {
            "tree": self.sign(f"{self.folder}/beside.txt"),
            "upload": self.sign("a.txt", upload=other["id"]),
            "owner": self.stack.url + other["url"],
        }
        return self

    def put_upload(self) -> dict[str, Any]:
        answer = self.stack.ask(
            f"{self.stack.url}/api/v1/files/a.txt",
            "PUT",
            data=b"upload\n",
            headers=self.bearer,
        )
        assert answer.status_code == 201
        made: dict[str, Any] = answer.json()
        return made

    def sign(self, path: str, *, later: float = 0, **claims: Any) -> str:
        ring = KeyRing((self.key,))
        signer = LinkSigner(ring, self.stack.url, clock=lambda: self.issued + later)
        url = signer.sign(path, expires="never", **claims)
        self.stack.tokens.add(url.removeprefix(self.stack.url).split("/")[2])
        return url

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def statuses(self, urls: dict[str, str]) -> dict[str, set[int]]:
        """Ask each address many times at once, as many clients."""
        with ThreadPoolExecutor(ROUNDS) as pool:
            return {
                name: set(
                    pool.map(
                        lambda url: (
                            self.stack.send(url, headers=self.bearer).status_code
                        ),
                        [url] * ROUNDS,
                    )
                )
                for name, url in urls.items()
            }

    def revoke(self, *what: str) -> None:
        self.stack.gateway("revoke", *what)

    def revoke_issued(self, option: str, name: str, *, before: int) -> None:
        """Revoke what was issued until *before* seconds after this world's links."""
        moment = datetime.fromtimestamp(self.issued + before, UTC)
        self.revoke(option, name, "--before", moment.isoformat())


@pytest.fixture
def world(stack: Stack) -> World:
    return World(stack, stack.keys.keys[1]).build()


GOOD: Final = {"tree": 200, "folder": 200, "upload": 200, "owner": 200}
BESIDE: Final = {"tree": 200, "upload": 200, "owner": 200}


def url_of(name: str) -> Callable[[World], None]:
    return lambda world: world.revoke(world.addresses[name])


def path(of: str) -> Callable[[World], None]:
    return lambda world: world.revoke_issued(
        "--path", of.format(world.folder), before=10
    )


def key(world: World) -> None:
    world.revoke_issued("--key", world.key.id, before=10)


def key_too_early(world: World) -> None:
    world.revoke_issued("--key", world.key.id, before=-1)


def upload(world: World) -> None:
    world.revoke("--upload", world.upload)


def delete_upload(world: World) -> None:
    world.stack.gateway("files", "delete", world.upload)


def delete_file(world: World) -> None:
    (world.stack.files / world.folder / "in" / "a.txt").unlink()


def make_the_upload_anew(world: World) -> None:
    delete_upload(world)
    world.put_upload()


def make_the_file_anew(world: World) -> None:
    path("{}/in/a.txt")(world)
    delete_file(world)
    world.stack.put(f"{world.folder}/in/a.txt", b"new\n")


def disable_owner(world: World) -> None:
    world.stack.gateway("users", "disable", world.user)


def revoke_token(world: World) -> None:
    world.stack.gateway("tokens", "revoke", world.token.split("_")[1])


MATRIX = [
    pytest.param(url_of("tree"), {"tree": 410}, {}, id="url of a file"),
    pytest.param(url_of("folder"), {"folder": 410}, {}, id="url of a folder"),
    pytest.param(url_of("upload"), {"upload": 410}, {}, id="url of an upload"),
    pytest.param(
        path("{}/in/a.txt"), {"tree": 410, "folder": 410}, {}, id="path of the file"
    ),
    pytest.param(
        path("{}/in"), {"tree": 410, "folder": 410}, {}, id="path of the folder"
    ),
    pytest.param(
        path("{}"), {"tree": 410, "folder": 410}, {"tree": 410}, id="path above"
    ),
    pytest.param(path("{}/in/a"), {}, {}, id="path that is a part of a name"),
    pytest.param(
        path(""),
        {"tree": 410, "folder": 410, "upload": 410},
        {"tree": 410, "upload": 410},
        id="everything",
    ),
    pytest.param(
        key,
        {"tree": 410, "folder": 410, "upload": 410},
        {"tree": 410, "upload": 410},
        id="key",
    ),
    pytest.param(key_too_early, {}, {}, id="key before these links"),
    pytest.param(upload, {"upload": 410}, {}, id="upload"),
    pytest.param(delete_upload, {"upload": 404, "owner": 404}, {}, id="upload deleted"),
    pytest.param(delete_file, {"tree": 404, "folder": 404}, {}, id="file deleted"),
    pytest.param(
        make_the_upload_anew,
        {"upload": 404, "owner": 404},
        {},
        id="name of the upload created anew",
    ),
    pytest.param(
        make_the_file_anew,
        {"tree": 410, "folder": 410},
        {},
        id="name of the file created anew",
    ),
    # A key that is retired has a test of its own, below: it takes a reload.
    pytest.param(
        disable_owner,
        {"upload": 410, "owner": 401},
        {"upload": 410, "owner": 401},
        id="owner disabled",
    ),
    pytest.param(revoke_token, {"owner": 401}, {"owner": 401}, id="token revoked"),
]


@pytest.mark.parametrize(("take_back", "ended", "beside"), MATRIX)
def test_what_is_taken_back_ends_in_every_worker_at_once_and_nothing_else_does(
    world: World,
    take_back: Callable[[World], None],
    ended: dict[str, int],
    beside: dict[str, int],
) -> None:
    before = world.statuses(world.addresses), world.statuses(world.neighbours)
    take_back(world)
    world.stack.let_verdicts_end()
    after = world.statuses(world.addresses), world.statuses(world.neighbours)
    assert before == (each(GOOD), each(BESIDE))
    assert after == (each(GOOD | ended), each(BESIDE | beside))


def each(statuses: dict[str, int]) -> dict[str, set[int]]:
    return {name: {status} for name, status in statuses.items()}


def test_another_key_s_links_and_later_ones_outlive_a_key_s(world: World) -> None:
    target = f"{world.folder}/in/a.txt"
    later = {"tree": world.sign(target, later=11)}
    other = replace(world, key=world.stack.keys.newest)
    others = {"tree": other.sign(target)}
    key(world)
    assert world.statuses(later) == world.statuses(others) == {"tree": {200}}


def test_a_path_that_was_taken_back_can_be_shared_anew(world: World) -> None:
    target = f"{world.folder}/in/a.txt"
    world.revoke("--path", target)
    world.stack.put(target, b"new\n")
    anew = world.sign(target, later=time.time())
    assert world.statuses(world.addresses)["tree"] == {410}
    assert world.stack.ask(anew).content == b"new\n"


def test_a_file_made_anew_is_open_to_its_links_that_were_not_taken_back(
    world: World,
) -> None:
    delete_file(world)
    world.stack.put(f"{world.folder}/in/a.txt", b"new\n")
    assert world.statuses(world.addresses) == each(GOOD)


def test_an_upload_made_anew_is_not_open_to_the_old_one_s_links(world: World) -> None:
    delete_upload(world)
    anew = world.put_upload()
    good = {
        "upload": world.sign("a.txt", upload=anew["id"]),
        "owner": world.stack.url + anew["url"],
    }
    assert world.statuses(world.addresses) == each(GOOD | {"upload": 404, "owner": 404})
    assert world.statuses(good) == each({"upload": 200, "owner": 200})


def test_an_upload_whose_links_were_taken_back_can_be_shared_anew(world: World) -> None:
    upload(world)
    anew = world.sign("b.txt", upload=world.upload, later=time.time())
    answer = world.stack.ask(anew)
    assert (answer.status_code, answer.content) == (200, b"upload\n")
    assert answer.headers["Content-Disposition"] == 'inline; filename="b.txt"'


def test_a_disabled_owner_who_comes_back_has_the_links_back(world: World) -> None:
    disable_owner(world)
    world.stack.gateway("users", "disable", "--undo", world.user)
    assert world.statuses(world.addresses) == each(GOOD)


@pytest.mark.docker
def test_what_is_undone_is_good_in_every_worker(world: World) -> None:
    url = world.addresses["tree"]
    world.revoke(url)
    revoked = world.statuses({"tree": url})
    world.revoke("--undo", url)
    assert (revoked, world.statuses({"tree": url})) == (
        {"tree": {410}},
        {"tree": {200}},
    )


def test_a_refusal_says_so_and_nothing_of_why(world: World) -> None:
    url = world.addresses["tree"]
    world.revoke("--path", world.folder)
    answer = world.stack.ask(url)
    request_id = answer.headers["X-Request-ID"]
    wait_until(lambda: world.stack.log_has(request_id), what="the refusal is logged")
    line = next(row for row in world.stack.log().splitlines() if request_id in row)
    assert "This link was revoked" in answer.text
    assert world.folder not in answer.text
    assert '"reason":"revoked"' in line


def test_a_link_to_an_upload_has_ranges_and_every_header(world: World) -> None:
    url = world.addresses["upload"]
    part = world.stack.ask(url, headers={"Range": "bytes=1-3"})
    again = world.stack.ask(url, headers={"If-None-Match": part.headers["ETag"]})
    assert (part.status_code, part.content, again.status_code) == (206, b"plo", 304)
    assert part.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert part.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.docker
def test_signing_and_inspecting_know_the_catalog(world: World) -> None:
    gateway = world.stack.gateway
    url = gateway("sign", "--upload", world.upload, "--expires", "1h").strip()
    world.stack.tokens.add(url.split("/")[4])
    words = gateway("inspect", url)
    listed = gateway("files", "list", "--user", world.user, "--json")
    assert url.endswith("/a.txt")
    assert f"the upload {world.upload}, saved as a.txt" in words
    assert world.upload in [one["id"] for one in json.loads(listed)]


# The API through nginx


@pytest.fixture
def admin(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.new_token('admin', 'share', 'upload')}"}


@pytest.mark.docker
def test_the_api_makes_and_ends_a_link(world: World, admin: dict[str, str]) -> None:
    stack = world.stack
    made = stack.ask(
        f"{stack.url}/api/v1/files/{world.upload}/links",
        "POST",
        json={"expires_in": 60, "attachment": True},
        headers=admin,
    )
    url = made.json()["url"]
    stack.tokens.add(url.split("/")[4])
    back = stack.ask(url)
    ended = stack.ask(
        f"{stack.url}/api/v1/revocations", "POST", json={"url": url}, headers=admin
    )
    stack.let_verdicts_end()
    assert (made.status_code, ended.status_code) == (201, 201)
    assert back.content == b"upload\n"
    assert back.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert world.statuses({"link": url}) == {"link": {410}}


def test_what_has_an_effect_is_asked_once(stack: Stack, admin: dict[str, str]) -> None:
    answers = [
        stack.ask(
            f"{stack.url}/api/v1/{path}", method, json={"key": "none"}, headers=admin
        )
        for method, path in (
            ("POST", "revocations"),
            ("DELETE", "revocations/key:none"),
            ("POST", "files/none/links"),
            ("DELETE", "files/none"),
        )
    ]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    wait_until(lambda: all(map(stack.log_has, ids)), what="the requests are logged")
    asked = [r["verdict_seconds"] for r in stack.logged() if r["request_id"] in ids]
    assert [answer.status_code for answer in answers] == [400, 404, 404, 404]
    assert len(asked) == 4
    assert not [seconds for seconds in asked if ":" in seconds or "," in seconds]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/v1/revocations", id="api"),
        pytest.param("/api/v1/files/none/links", id="below the uploads"),
        pytest.param("/api/v1/files/huge.iso", id="an upload's url"),
    ],
)
@pytest.mark.parametrize(
    ("length", "body"),
    [
        pytest.param("Content-Length: 9000000000", b"", id="announced"),
        pytest.param("Content-Length: 200000", b"", id="announced a little too long"),
        pytest.param(
            "Transfer-Encoding: chunked", b"20000\r\n" + bytes(131_072), id="chunked"
        ),
    ],
)
def test_a_long_body_for_the_api_is_refused_and_never_spooled(
    stack: Stack, path: str, length: str, body: bytes
) -> None:
    before = stack.stored()
    wait_until(lambda: not stack.spooled(), what="the spool is empty")
    answer = stack.raw(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\n{length}\r\n\r\n".encode()
        + body
    )
    assert answer.split(b" ")[1] == b"413"
    assert stack.spooled() == []
    assert stack.stored() == before


# A key that is really retired


def test_a_retired_key_ends_all_of_its_links_and_no_other_s() -> None:
    stack = NativeStack()
    keys = stack.home / "keys"
    keys.write_text(str(stack.keys))
    del stack.settings["GATEWAY_KEYS"]
    stack.settings["GATEWAY_KEYS_FILE"] = str(keys)
    stack.start()
    try:
        world = World(stack, stack.keys.keys[1]).build()
        other = replace(world, key=stack.keys.newest)
        kept = {
            "tree": other.sign(f"{world.folder}/in/a.txt"),
            "upload": other.sign("a.txt", upload=world.upload),
        }
        before = world.statuses(world.addresses)
        keys.write_text(str(stack.keys.newest))
        stack.reload()
        url = world.addresses["tree"]
        wait_until(lambda: stack.send(url).status_code == 404, what="it is retired")
        wait_until(
            lambda: world.statuses({"tree": url}) == {"tree": {404}},
            what="every worker has the new ring",
        )
        after = world.statuses(world.addresses), other.statuses(kept)
        stack.assert_clean()
    finally:
        stack.stop()
    assert before == each(GOOD)
    ended = {"tree": 404, "folder": 404, "upload": 404}
    assert after == (each(GOOD | ended), each({"tree": 200, "upload": 200}))
