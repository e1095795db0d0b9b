"""A member with files to share, and a recipient of the links."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.catalog import leases, uploads
from gateway.catalog.tokens import Scope
from gateway.catalog.uploads import Upload
from gateway.catalog.users import Role
from gateway.shares.booking import Booker
from gateway.storage.blobs import new_id
from tests.web.letterbox import a_token

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from gateway.catalog.users import User
    from tests.web.conftest import Site

BROWSER = {"Accept": "text/html,*/*;q=0.8", "X-Real-IP": "192.0.2.7"}
PROGRAM = {"Accept": "*/*", "X-Real-IP": "192.0.2.7"}
#: Settings with which mails are sent.
RELAY = {
    "GATEWAY_MAIL_URL": "smtp://relay.example",
    "GATEWAY_MAIL_FROM": "files@example.com",
    "GATEWAY_MAILS_PER_USER": "3",
}


@dataclass
class Sharer:
    """A member with two uploads and a token that may share."""

    site: Site
    user: User
    headers: dict[str, str]
    stranger: FlaskClient
    uploads: list[str]

    def make(self, **fields: object) -> TestResponse:
        """Share the first upload, or the items in *fields*."""
        fields = {"items": [{"upload": self.uploads[0]}], **fields}
        return self.site.client.post(
            "/api/v1/shares", json=fields, headers=self.headers
        )

    def share(self, **fields: object) -> Any:
        """Share as ``make`` does, and return the share."""
        answer = self.make(**fields)
        assert answer.status_code == 201, answer.text
        return answer.json

    def link(self, **fields: object) -> str:
        """Share as ``make`` does, and return the path of the first link."""
        found: str = self.share(**fields)["recipients"][0]["url"]
        return found

    def press(self, link: str, **fields: str) -> TestResponse:
        """Submit the page's form as a recipient."""
        return self.stranger.post(link, data=fields, headers=BROWSER)

    def spend(self, lease_path: str) -> None:
        """End the download of a lease, with a line in the ledger."""
        lease_id = lease_path.split("/")[2][:16]
        with self.site.database.write() as connection:
            leases.spend(connection, {lease_id: int(self.site.now)})

    def sent(self, answer: TestResponse, count: int = 1000, **changes: object) -> None:
        """Book a delivery of which nginx has sent this many of 1000 bytes."""
        is_whole = count == 1000
        line = {
            "at": self.site.now,
            "request": secrets.token_hex(16),
            "began": "",
            "what": answer.headers["X-Gateway-Ledger"],
            "method": "GET",
            "status": "200",
            "bytes": count,
            "length": "1000",
            "range": "",
            "encoding": "",
            "complete": "OK" if is_whole else "",
            "agent": "curl/8",
            "address": "192.0.2.0/24",
            **changes,
        }
        with (self.site.store / "current.log").open("a") as file:
            file.write(f"{json.dumps(line)}\n")
        Booker(
            database=self.site.database,
            folder=self.site.store,
            gateway="g",
            say=print,
        ).round(now=int(self.site.now))

    def edit(self, share_id: str, **fields: object) -> TestResponse:
        """Change a share."""
        return self.site.client.patch(
            f"/api/v1/shares/{share_id}", json=fields, headers=self.headers
        )


def a_sharer(site: Site, name: str = "ann", role: Role = Role.MEMBER) -> Sharer:
    """Return a new member with uploads."""
    user = site.add_user(name, role)
    scopes = (Scope.SHARE, Scope.READ, Scope.UPLOAD)
    more = (Scope.ADMIN,) if role is Role.ADMIN else ()
    return Sharer(
        site=site,
        user=user,
        headers=a_token(site, user, *scopes, *more),
        stranger=site.browser(),
        uploads=[
            store(site, user, "report.pdf", "application/pdf"),
            store(site, user, "notes.txt", "text/plain"),
        ],
    )


def store(site: Site, user: User, name: str, media_type: str) -> str:
    """Insert an upload and return its id."""
    upload_id = new_id()
    with site.database.write() as connection:
        uploads.add(
            connection,
            Upload(
                id=upload_id,
                owner_id=user.id,
                name=name,
                size=1000,
                media_type=media_type,
                blob=f"{upload_id[:2]}/{upload_id}",
                sha256=bytes(32),
                created=int(site.now),
            ),
        )
    return upload_id
