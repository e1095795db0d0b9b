"""A full disk refuses uploads, and nothing else, until there is room again."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.disks import Disk, small_disk
from tests.live.stack import NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


CONTENT = os.urandom(100_000)


@dataclass
class Site:
    """A gateway whose store and catalog have small disks of their own."""

    stack: NativeStack
    store: Disk
    catalog: Disk
    token: str = ""

    def ask(self, path: str, method: str = "GET", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.stack.ask(self.stack.url + path, method, headers=headers, **options)

    def put(self, content: object = CONTENT) -> Any:
        return self.ask("/api/v1/files/a.bin", "PUT", data=content)

    def put_into_new_folder(self, content: object = CONTENT) -> Any:
        """Upload, and once more if the random id met a folder that was there."""
        while True:
            there = {path.name for path in (self.store.root / "blobs").iterdir()}
            answer = self.put(content)
            if answer.status_code != 201:
                return answer
            made = answer.json()
            if made["id"][:2] not in there:
                return answer
            assert self.delete(made) == 204
            self.wait_for_empty_spool()

    def wait_for_empty_spool(self) -> None:
        """Wait until nginx, which answers first, has deleted the last body."""
        wait_until(lambda: self.files("spool") == [], what="nginx empties the spool")

    def delete(self, made: dict[str, Any]) -> int:
        status: int = self.ask(f"/api/v1/files/{made['id']}", "DELETE").status_code
        return status

    def files(self, folder: str) -> list[str]:
        """Return what is in a folder of the store."""
        root = self.store.root / folder
        return sorted(path.name for path in root.rglob("*") if path.is_file())

    def command(self, *arguments: str) -> str:
        return self.stack.gateway(*arguments)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    disks = tmp_path_factory.mktemp("disks")
    with (
        small_disk(disks / "store", "8m", inodes=300) as store,
        small_disk(disks / "catalog", "5m") as catalog,
    ):
        stack = NativeStack(
            GATEWAY_STORE=str(store.root),
            GATEWAY_DATABASE=f"sqlite:///{catalog.root}/catalog.sqlite3",
            GATEWAY_FREE_SPACE="0",
        )
        stack.start()
        try:
            yield Site(
                stack, store, catalog, stack.new_token("upload", "read", "share")
            )
            # [crit] is nginx's word for the full disk, and meant here.
            assert "Traceback" not in stack.log()
        finally:
            stack.stop()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    yield replace(running)
    running.store.empty()
    running.catalog.empty()
    running.command("housekeep", "--grace", "0")


def test_an_announced_upload_is_refused_before_it_is_read(site: Site) -> None:
    refused = site.put(CONTENT * 90)
    assert refused.status_code == 507
    assert refused.json()["title"] == "Not enough storage space"
    assert site.files("spool") == []


def test_an_upload_that_tells_no_length_is_refused_before_it_is_read(
    site: Site,
) -> None:
    refused = site.put(iter([CONTENT]))
    assert refused.status_code == 411
    assert refused.json()["title"] == "Content-Length required"
    assert site.files("spool") == []


def test_an_upload_whose_room_others_take_leaves_nothing(site: Site) -> None:
    before = site.files("blobs")
    size = 3 * len(CONTENT)
    head = (
        "PUT /api/v1/files/a.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {site.token}\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.stack.port), 20) as peer:
        peer.sendall(head.encode() + CONTENT)
        wait_until(lambda: site.files("spool"), what="nginx spools the body")
        site.store.fill()
        peer.sendall(CONTENT + CONTENT)
        answer = peer.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 507 ")
    assert "Content-Type: application/problem+json" in answer
    site.wait_for_empty_spool()
    assert site.files("blobs") == before
    site.store.empty()
    assert site.put().status_code == 201


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(0, id="for no name"),
        pytest.param(1, id="for the spool only"),
        pytest.param(2, id="for the spool and a folder"),
    ],
)
def test_a_disk_without_room_for_names_refuses_uploads_alone(
    site: Site, left: int
) -> None:
    made = site.put().json()
    before = site.files("blobs")
    site.wait_for_empty_spool()
    site.store.fill_names(but=left)
    assert site.put_into_new_folder().status_code == 507
    assert site.put_into_new_folder(b"").status_code == 507
    assert site.files("blobs") == before
    assert site.ask(made["url"]).content == CONTENT
    assert site.delete(made) == 204
    site.store.empty()
    assert site.put().status_code == 201


def test_a_full_store_still_gives_and_deletes(site: Site) -> None:
    made = site.put().json()
    site.store.fill()
    assert site.put().status_code == 507
    assert site.ask(made["url"]).content == CONTENT
    assert site.delete(made) == 204
    site.store.empty()
    assert site.put().status_code == 201


def test_a_full_catalog_still_gives_deletes_and_revokes(site: Site) -> None:
    many = [site.put().json() for _ in range(30)]
    token = site.command("tokens", "new", "admin", "--scope", "read").strip()
    site.catalog.fill()
    # SQLite's log has some room of its own.
    wait_until(lambda: site.put().status_code == 507, what="uploads are refused")
    assert site.ask(many[0]["url"]).content == CONTENT
    assert {site.delete(made) for made in many} == {204}
    assert site.put().status_code == 507
    site.command("tokens", "revoke", token.split("_")[1])
    answer = site.stack.ask(
        site.stack.url + "/api/v1/files", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    site.catalog.empty()
    assert site.put().status_code == 201


def test_on_a_full_store_downloads_are_booked(site: Site) -> None:
    """Else they would stay begun, and their links busy."""
    site.stack.put("a.txt", CONTENT)
    made = json.loads(site.command("shares", "new", "a.txt", "--max", "99", "--json"))
    url = made["recipients"][0]["url"]
    site.stack.tokens.add(url.rpartition("/")[2])

    def download() -> None:
        lease = site.stack.send(url, "POST").headers["Location"]
        assert site.stack.send(site.stack.url + lease).content == CONTENT

    def taken() -> int:
        shown = json.loads(site.command("shares", "show", made["id"], "--json"))
        return int(shown["recipients"][0]["taken"])

    download()
    wait_until(lambda: taken() == 1, what="the ledger is booked")
    site.store.fill()
    for _ in range(30):
        download()
    wait_until(lambda: taken() == 31, what="all are booked")


def test_a_catalog_without_its_reserve_still_gives(site: Site) -> None:
    made = site.put().json()
    # Its first use would be written down.
    site.token = site.stack.new_token("read")
    (site.catalog.root / "catalog.sqlite3.reserve").unlink()
    site.catalog.fill()
    assert site.ask(made["url"]).content == CONTENT


def test_housekeeping_lays_the_reserve_when_there_is_room(site: Site) -> None:
    reserve = site.catalog.root / "catalog.sqlite3.reserve"
    os.truncate(reserve, 0)
    site.command("housekeep")
    assert reserve.stat().st_size == 2**20


def test_a_link_is_taken_back_while_another_process_takes_all_room(
    site: Site,
) -> None:
    made = site.put().json()
    share = {"expires_in": 600}
    link = site.ask(f"/api/v1/files/{made['id']}/links", "POST", json=share).json()
    with site.catalog.kept_full():
        refused = site.put()
        revoked = site.ask("/api/v1/revocations", "POST", json={"upload": made["id"]})
        after = site.stack.ask(link["url"])
    assert (refused.status_code, revoked.status_code) == (507, 201)
    assert after.status_code == 410


def test_it_starts_on_a_full_catalog(site: Site) -> None:
    made = site.put().json()
    site.stack.process.terminate()
    assert site.stack.process.wait(20) == 0
    site.catalog.fill()
    site.stack.start()
    assert site.ask(made["url"]).content == CONTENT
    assert site.put().status_code == 507
    assert site.delete(made) == 204
