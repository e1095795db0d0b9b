"""A tour through every page, in each state that users see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.live.stack import fresh_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.browser import Browser
    from tests.live.stack import Stack

FILES: Final = {
    "Minutes of the board meeting.txt": b"Present: all.\n" * 200,
    "Interview.mp3": b"ID3" + bytes(900_000),
    "Annual report 2026.pdf": b"%PDF-1.4\n" + bytes(2_400_000),
    "Team photo.jpg": b"\xff\xd8\xff\xe0" + bytes(3_100_000),
    "Measurements of all stations in the northern district, final version.zip": (
        b"PK\x03\x04" + bytes(700_000)
    ),
}
REPORT: Final = "Annual report 2026.pdf"
MESSAGE: Final = "Dear Ruth,\nhere is what we talked about on Monday.\nBest regards"


@dataclass
class World:
    """A user's files, with links to them in every state."""

    stack: Stack
    headers: dict[str, str]
    uploads: dict[str, str]

    @classmethod
    def of(cls, stack: Stack, user: str) -> World:
        """Give *user* files."""
        token = stack.new_token("upload", "share", "read", user=user)
        here = cls(stack, {"Authorization": f"Bearer {token}"}, {})
        for name, content in FILES.items():
            answer = here.ask("PUT", f"/api/v1/files/{name}", data=content)
            here.uploads[name] = answer["id"]
        return here

    def ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"X-Forwarded-For": fresh_client(), **self.headers}
        answer = requests.request(
            method, self.stack.url + path, headers=headers, timeout=30, **options
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def share(self, *names: str, **fields: Any) -> Any:
        """Share files of these names and return the share."""
        items = [{"upload": self.uploads[name]} for name in names]
        made = self.ask("POST", "/api/v1/shares", json={"items": items, **fields})
        for recipient in made["recipients"]:
            self.stack.tokens.add(recipient["url"].rpartition("/")[2])
        return made

    def link(self, *names: str, **fields: Any) -> str:
        """Share files of these names and return the URL of the link."""
        url: str = self.share(*names, **fields)["recipients"][0]["url"]
        return url

    def mails(self, share_id: str) -> set[str]:
        """Return the states of a share's mails."""
        shown = self.ask("GET", f"/api/v1/shares/{share_id}")
        return {recipient["mail"] for recipient in shown["recipients"]}

    def drop(self, **fields: Any) -> Any:
        """Make a drop link."""
        made = self.ask("POST", "/api/v1/drops", json={"expires_in": 604_800, **fields})
        self.stack.tokens.add(made["url"].rpartition("/")[2])
        return made


def tour(browser: Browser, stack: Stack, folder: Path) -> Iterator[str]:
    """Open each page in *browser*, and yield the name of the page and its state.

    The browser's user has no files yet; *folder* is for the files to be chosen.  The
    stack has a relay.
    """
    browser.driver.delete_all_cookies()
    yield from _login(browser)
    browser.log_in()
    yield from _new(browser)
    browser.driver.delete_all_cookies()
    world = World.of(stack, browser.name)
    yield from _recipients(browser, world)
    yield from _senders(browser, world, folder)
    yield from _refused(browser, world)
    browser.log_in()
    yield from _files(browser)
    yield from _shares(browser, world)
    yield from _drops(browser, world)


def _login(browser: Browser) -> Iterator[str]:
    yield from _at(browser, "/login", "login")
    browser.find("#name").send_keys(browser.name)
    browser.find("#password").send_keys("a guess")
    browser.find("main button").click()
    browser.wait_for(".fault", "Wrong user name or password")
    yield "login-wrong-password"


def _recipients(browser: Browser, world: World) -> Iterator[str]:
    one = world.link(REPORT, title="The report", message=MESSAGE)
    yield from _at(browser, one, "share-of-one-file")
    yield from _at(browser, world.link("Team photo.jpg"), "share-without-title")
    several = world.link(*FILES, title="For the meeting", message=MESSAGE, max=3)
    yield from _at(browser, several, "share-of-several")
    browser.find("main .large").click()
    browser.wait_for(".shared-files", "Download")
    yield "share-of-several-downloads"
    locked = world.link(REPORT, title="The report", password="correct horse")
    yield from _at(browser, locked, "share-with-password")
    browser.find("#password").send_keys("a guess")
    browser.find("main .large").click()
    browser.wait_for(".fault", "Wrong password")
    yield "share-wrong-password"
    coded = world.link(REPORT, title="The report", otp=True, to=["ruth@example.com"])
    yield from _at(browser, coded, "share-with-code")
    browser.find("main .large").click()
    browser.wait_for("#otp-hint", "Six digits")
    yield "share-code-asked"
    browser.find("#otp").send_keys("000000")
    browser.find("main .large").click()
    browser.wait_for(".fault", "Wrong code")
    yield "share-wrong-code"
    gone = world.share("Interview.mp3")
    world.ask("DELETE", f"/api/v1/files/{world.uploads.pop('Interview.mp3')}")
    yield from _at(browser, gone["recipients"][0]["url"], "share-of-a-deleted-file")


def _senders(browser: Browser, world: World, folder: Path) -> Iterator[str]:
    drop = world.drop(title="Photos of the trip", max_uploads=3, types=["image/*"])
    yield from _at(browser, drop["url"], "drop")
    picture, text = folder / "lake.png", folder / "notes.txt"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200_000))
    text.write_bytes(b"no picture")
    browser.choose(picture, text)
    browser.wait_for(".transfer.failed .state", "not allowed")
    browser.wait_for("#upload-status", "Thank you")
    yield "drop-by-script"
    browser.send_plainly(("lake.png", "\x89PNG\r\n\x1a\n"), ("notes.txt", "no picture"))
    browser.wait_for("h1", "Some files were not stored")
    yield "drop-partly-stored"
    yield from _at(browser, f"{drop['url']}?stored=2", "drop-thanks")


def _refused(browser: Browser, world: World) -> Iterator[str]:
    ended = world.share(REPORT)
    world.ask("DELETE", f"/api/v1/shares/{ended['id']}")
    yield from _at(browser, ended["recipients"][0]["url"], "share-taken-back")
    early = world.link(REPORT, not_before=int(time.time()) + 3600)
    yield from _at(browser, early, "share-too-early")
    yield from _at(browser, f"/files/{'a' * 26}/x", "refused-unknown")
    yield from _at(browser, "/nothing-here", "refused-missing")
    yield from _at(browser, "//", "refused-by-nginx")
    yield from _at(browser, "/open", "open-a-link")


def _new(browser: Browser) -> Iterator[str]:
    for path, name in (("/", "files"), ("/shares", "shares"), ("/drops", "drop-links")):
        yield from _at(browser, path, f"{name}-none")
    yield from _at(browser, "/password", "password")
    yield from _at(browser, "/sessions", "sessions")


def _files(browser: Browser) -> Iterator[str]:
    yield from _at(browser, "/", "files")
    browser.find("#uploads summary").click()
    yield "files-menu"
    browser.find("#uploads summary").click()
    for box in browser.all("#uploads [type=checkbox]")[:2]:
        box.click()
    yield "files-selected"
    browser.find(".top summary").click()
    yield "files-account"
    browser.find(".top summary").click()
    browser.find(".selected button").click()
    browser.wait_for("h1", "New share")
    yield "share-new"
    browser.open_all()
    yield "share-new-choices"
    browser.find("#to").send_keys("ruth")
    browser.find(".fields button").click()
    browser.wait_for(".fault", "ddress")
    yield "share-new-fault"


def _shares(browser: Browser, world: World) -> Iterator[str]:
    one = world.share(REPORT, title="The report", message=MESSAGE)
    page = f"/shares/{one['id']}"
    yield from _at(browser, page, "share-made")
    to = ["ruth@example.com", "editor@example.org", "office@example.net"]
    many = world.share(
        *list(world.uploads)[:3],
        title="For the meeting",
        to=to,
        password="word",
        otp=True,
    )
    wait_until(lambda: world.mails(many["id"]) == {"accepted"}, what="the mails")
    requests.get(
        many["recipients"][0]["url"], headers={"Accept": "text/html"}, timeout=30
    )
    first, _, last = (recipient["id"] for recipient in many["recipients"])
    page = f"/shares/{many['id']}"
    world.ask("DELETE", f"/api/v1{page}/recipients/{last}")
    yield from _at(browser, f"{page}?qr={first}", "share-made-for-several")
    browser.open_all()
    yield "share-made-changing"
    over = world.share(REPORT, title="Last year's report")
    world.ask("DELETE", f"/api/v1/shares/{over['id']}")
    yield from _at(browser, f"/shares/{over['id']}", "share-made-ended")
    yield from _at(browser, "/shares", "shares")


def _drops(browser: Browser, world: World) -> Iterator[str]:
    drop = world.drop(title="Applications", types=["application/pdf"], max_uploads=20)
    yield from _at(browser, f"/drops?qr={drop['id']}", "drop-links")
    browser.find("#max_uploads").send_keys("9" * 20)
    browser.find("#new button").click()
    browser.wait_for(".fault", "number")
    yield "drop-links-fault"


def _at(browser: Browser, place: str, name: str) -> Iterator[str]:
    url = place if place.startswith("http") else f"{browser.url}{place}"
    browser.driver.get(url)
    wait_until(lambda: browser.has("main"), what=f"{name} is there")
    yield name
