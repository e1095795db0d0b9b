"""The application with Flask's test client and a stopped clock."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gateway.app import create_app
from gateway.catalog import users
from gateway.catalog.users import Role
from gateway.config import settings
from gateway.links import Key, KeyRing, LinkSigner
from gateway.links.server_secret import ServerSecret
from gateway.runtime.prepare import prepare
from tests.catalog.conftest import unsynced
from tests.web.nginx import behind_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from gateway.catalog.database import Database
    from gateway.catalog.users import User
    from tests.catalog.postgres import Server

__all__ = ["unsynced"]

NOON = 1_800_000_000.0
PASSWORD = "correct horse battery"


@dataclass
class Site:
    """An application, its tree, and a signer that shares its clock."""

    client: FlaskClient
    files: Path
    store: Path
    ring: KeyRing
    secret: ServerSecret
    signer: LinkSigner
    database: Database
    now: float = NOON

    def sign(self, path: str, **claims: Any) -> str:
        """Return the path of a URL that is signed at the site's current time."""
        return self.signer.sign(path, **{"expires": timedelta(hours=1), **claims})

    def add_user(self, name: str, role: Role = Role.MEMBER) -> User:
        """Make a user whose password is PASSWORD."""
        with self.database.write() as connection:
            return users.add(
                connection,
                name=name,
                password_hash=users.hash_password(PASSWORD),
                role=role,
                now=int(self.now),
            )

    def token(self, path: str = "/login") -> str:
        """Return the CSRF token of the page at *path*."""
        return csrf_token(self.client.get(path))

    def log_in(
        self, name: str = "ann", password: str = PASSWORD, **fields: str
    ) -> TestResponse:
        """Send the login form as a browser would."""
        fields = {"csrf_token": self.token(), "name": name, **fields}
        headers = {"X-Real-IP": "192.0.2.1"}
        return self.client.post(
            "/login", data={**fields, "password": password}, headers=headers
        )

    def browser(self) -> FlaskClient:
        """Return a new browser, without cookies."""
        return self.client.application.test_client()

    def stored(self) -> list[Path]:
        """Return all files below the store, without its id."""
        found = [path for path in self.store.rglob("*") if path.is_file()]
        return [path for path in found if path.name != "store-id"]


class MakeSite(Protocol):
    """Creates a site with other settings."""

    def __call__(self, **chosen: str) -> Site: ...


def csrf_token(answer: TestResponse) -> str:
    """Return the CSRF token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


@pytest.fixture
def catalog(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Path
) -> Iterator[dict[str, str]]:
    """Yield the catalog's settings: SQLite, or with EITHER_CATALOG each database."""
    if getattr(request, "param", "sqlite") == "sqlite":
        (tmp_path / "data").mkdir()
        shutil.copyfile(migrated, tmp_path / "data" / "catalog.sqlite3")
        yield {}
        return
    server: Server = request.getfixturevalue("postgresql")
    with server.new_database(is_migrated=True) as url:
        yield {"GATEWAY_DATABASE": url}


#: Runs a test on both databases.
EITHER_CATALOG = pytest.mark.parametrize(
    "catalog", ["sqlite", "postgresql"], indirect=True
)


@pytest.fixture
def make_site(tmp_path: Path, catalog: dict[str, str]) -> MakeSite:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("never read by Python\n")
    ring = KeyRing((Key.generate(),))
    secret = ServerSecret.generate()

    def make(**chosen: str) -> Site:
        if "GATEWAY_MAIL_URL" in chosen:
            # The base URL of the links in mails.
            chosen.setdefault("GATEWAY_PUBLIC_URL", "http://localhost")
        reading = settings.read(
            {
                "GATEWAY_FILES": str(files),
                "GATEWAY_DATA": str(tmp_path / "data"),
                "GATEWAY_KEYS": str(ring),
                "GATEWAY_SECRET": str(secret),
                "GATEWAY_INLINE_TYPES": "image/svg+xml",
                "GATEWAY_CACHE_MAX_AGE": "600",
                "GATEWAY_FREE_SPACE": "0",
                **catalog,
                **chosen,
            }
        )
        here = Site(
            client=None,  # type: ignore[arg-type]
            files=files,
            store=tmp_path / "data" / "store",
            ring=ring,
            secret=secret,
            signer=LinkSigner(ring, "", clock=lambda: here.now),
            database=prepare(reading.settings),
        )
        app = create_app(reading.settings, clock=lambda: here.now)
        prefix = reading.settings.path_prefix
        here.client = behind_nginx(app, prefix).test_client()
        return here

    return make


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture
def ann(site: Site) -> User:
    """Log a member in."""
    user = site.add_user("ann")
    site.log_in()
    return user
