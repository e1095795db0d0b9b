"""A drop link of ann's, and a sender who uses it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from gateway.catalog import drops, tokens, users
from gateway.catalog.schema import drops as drops_table
from gateway.catalog.tokens import Scope
from gateway.uploads.drop_codes import DropCodes
from tests.web.conftest import NOON
from tests.web.test_upload_form import END, TYPE, part

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User
    from tests.web.conftest import Site

DAY = 86_400


@dataclass
class Letterbox:
    """A site with a drop link of ann's, and a sender who uses it."""

    site: Site
    maker: User
    drop: Drop
    code: str

    def ask(self, method: str, path: str, **headers: str) -> TestResponse:
        """Send a request with the code as a bearer token."""
        extra = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.site.client.open(
            path,
            method=method,
            headers={
                "Authorization": f"Bearer {self.code}",
                "X-Request-ID": "r",
                "X-Original-Length": "0",
                **extra,
            },
        )

    def put(self, name: str = "a.txt", **headers: str) -> TestResponse:
        return self.ask("PUT", f"/api/v1/files/{name}", **headers)

    def send(self, *parts: bytes, first: str | None = None) -> TestResponse:
        """Send the form as nginx does after it has spooled the body."""
        code = self.code if first is None else first
        spooled = self.site.store / "spool" / "0001"
        spooled.write_bytes(part("code", code.encode()) + b"".join(parts) + END)
        answer = self.site.client.post(
            f"/u/{self.code}",
            input_stream=io.BytesIO(),
            headers={
                "Content-Type": TYPE,
                "X-Spool-File": str(spooled),
                "X-Request-ID": "a",
            },
        )
        spooled.unlink()
        return answer

    def show(self, query: str = "") -> TestResponse:
        return self.site.client.get(f"/u/{self.code}{query}")

    def revoke(self) -> None:
        with self.site.database.write() as connection:
            drops.revoke(connection, self.drop, now=int(self.site.now))

    def disable_maker(self) -> None:
        with self.site.database.write() as connection:
            users.set_disabled(connection, self.maker, is_disabled=True)


def a_letterbox(site: Site, **limits: Any) -> Letterbox:
    maker = site.add_user("ann")
    terms: dict[str, Any] = {
        "title": "Holiday <photos>",
        "max_uploads": None,
        "max_size": None,
        "types": (),
        "expires": int(NOON) + DAY,
        **limits,
    }
    with site.database.write() as connection:
        drop = drops.new(connection, maker, now=int(NOON), **terms)
    return Letterbox(site, maker, drop, code_of(site, drop))


def code_of(site: Site, drop: Drop) -> str:
    code = DropCodes(site.secret, site.ring).of(drop)
    assert code is not None
    return code


def made_before_the_secret(box: Letterbox) -> None:
    """Make the drop link one that a link key signed, as in earlier versions."""
    with box.site.database.write() as connection:
        connection.execute(update(drops_table).values(code_id=None))
    box.drop = replace(box.drop, code_id=None)


def a_token(site: Site, user: User, *scopes: Scope) -> dict[str, str]:
    with site.database.write() as connection:
        text = tokens.new(connection, user, scopes=scopes, expires=None, now=1)
    return {"Authorization": f"Bearer {text}"}


def came(box: Letterbox) -> list[dict[str, Any]]:
    """Return the files in the list of the drop link's maker."""
    reading = a_token(box.site, box.maker, Scope.READ)
    listing: Any = box.site.client.get("/api/v1/files", headers=reading).json
    files: list[dict[str, Any]] = listing["files"]
    return files
