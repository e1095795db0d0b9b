"""Upload sessions of several gateways on one catalog, by the names in their URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gateway.app import create_app
from gateway.catalog import tokens, users
from gateway.catalog.tokens import Scope
from gateway.config import settings
from gateway.config.settings import Settings
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.runtime.prepare import make_first_admin, prepare
from gateway.storage.blobs import BlobStore
from tests.web.conftest import NOON
from tests.web.nginx import behind_nginx
from tests.web.test_tus import Uploads

if TYPE_CHECKING:
    from pathlib import Path


class Make(Protocol):
    """Makes a gateway with this name, and with this store."""

    def __call__(self, name: str, store: str = "store") -> Uploads: ...


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "files").mkdir()
    common = {
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_KEYS": str(Key.generate()),
        "GATEWAY_SECRET": str(ServerSecret.generate()),
        "GATEWAY_FREE_SPACE": "0",
    }
    database = prepare(settings.read(common).settings)
    make_first_admin(database, tmp_path / "first-password", now=int(NOON))
    with database.write() as connection:
        token = tokens.new(
            connection,
            users.by_name(connection, "admin"),
            scopes=set(Scope),
            expires=None,
            now=int(NOON),
        )

    def make(name: str, store: str = "store") -> Uploads:
        root = tmp_path / "data" / store
        chosen = {**common, "GATEWAY_REPLICA": name, "GATEWAY_STORE": str(root)}
        current = settings.read(chosen).settings
        blobs = BlobStore(root, name)
        blobs.prepare()
        empty: Any = None
        here = Uploads(empty, database, blobs, token)
        here.app = behind_nginx(create_app(current, clock=lambda: here.now))
        return here

    return make


def test_a_url_ends_with_the_name_of_its_gateway(make: Make) -> None:
    path = make("r1").create(10)
    assert path.startswith("/tus/")
    assert path.endswith(".r1")


def test_in_a_shared_store_any_gateway_continues_an_upload(make: Make) -> None:
    first, second = make("r1"), make("r2")
    path = first.create(6)
    first.patch(path, 0, b"abc")
    answer = second.patch(path, 3, b"def")
    assert answer.headers["Upload-Offset"] == "6"
    assert (second.store.blobs / second.blob(answer)).read_bytes() == b"abcdef"


def test_a_url_without_the_name_is_that_of_an_earlier_release(make: Make) -> None:
    first = make("r1")
    path = first.create(3).removesuffix(".r1")
    assert first.patch(path, 0, b"abc").headers["Upload-Offset"] == "3"


def test_parts_are_joined_by_their_names_with_gateways(make: Make) -> None:
    first, second = make("r1"), make("r2")
    parts = [each.create(1, Upload_Concat="partial") for each in (first, second)]
    for part in parts:
        second.patch(part, 0, b"x")
    joined = first.ask("POST", Upload_Concat=f"final;{' '.join(parts)}")
    assert (joined.status_code, joined.headers["Upload-Offset"]) == (201, "2")


@pytest.fixture
def apart(make: Make, monkeypatch: pytest.MonkeyPatch) -> tuple[Uploads, Uploads]:
    """Give two gateways with stores of their own."""
    monkeypatch.setattr(Settings, "shares_store", property(lambda _: False))
    return make("r1", "store"), make("r2", "other")


def test_with_stores_of_their_own_another_gateway_has_the_client_begin_again(
    apart: tuple[Uploads, Uploads],
) -> None:
    first, second = apart
    path = first.create(6)
    first.patch(path, 0, b"abc")
    headers = {"Upload_Offset": "3", "X_Original_Length": "3"}
    assert second.ask("HEAD", path).status_code == 410
    assert second.admit(path, **headers) == 410
    assert second.ask("DELETE", path).status_code == 410
    assert list(second.store.sessions.iterdir()) == []
    assert first.ask("HEAD", path).headers["Upload-Offset"] == "3"


def test_with_stores_of_their_own_any_gateway_knows_a_finished_upload(
    apart: tuple[Uploads, Uploads],
) -> None:
    first, second = apart
    path = first.create(3)
    first.patch(path, 0, b"abc")
    assert second.ask("HEAD", path).headers["Upload-Offset"] == "3"


@pytest.mark.parametrize(
    ("is_shared", "status"),
    [
        pytest.param(True, 507, id="one disk"),
        pytest.param(False, 204, id="own disks"),
    ],
)
def test_another_gateway_s_upload_needs_room_on_its_own_disk(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    is_shared: bool,  # noqa: FBT001 -- the table's column
    status: int,
) -> None:
    monkeypatch.setattr(Settings, "shares_store", property(lambda _: is_shared))
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: 100)
    first, second = make("r1"), make("r2")
    put = {"X_Original_Method": "PUT", "X_Original_Length": "80"}
    path = "/api/v1/files/a.bin"
    assert first.admit(path, **put, X_Request_ID="first") == 204
    assert second.admit(path, **put, X_Request_ID="second") == status


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(".", id="an empty name"),
        pytest.param(".r1.r2", id="two names"),
        pytest.param(f".{'r' * 33}", id="a long name"),
        pytest.param(".r_1", id="no name"),
    ],
)
def test_a_url_with_anything_else_behind_its_id_is_unknown(
    make: Make, end: str
) -> None:
    first = make("r1")
    path = first.create(3).removesuffix(".r1")
    assert first.ask("HEAD", path + end).status_code == 404
