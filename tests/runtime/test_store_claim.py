"""A store and a catalog that belong together, and those that do not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import blob_place
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.errors import SettingsError
from gateway.runtime import store_claim
from gateway.runtime.store_claim import claim, claim_with_own_store
from gateway.storage import copies
from gateway.storage.blobs import BlobStore
from gateway.storage.store_id import StoreId
from gateway.storage.store_owner import StoreOwner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.ownership import Owner
    from tests.catalog.postgres import Server


@pytest.fixture
def catalog(tmp_path: Path, migrated: Path) -> Callable[[], Database]:
    """Return a function that makes a catalog which knows no store yet."""
    count = iter(range(9))

    def make() -> Database:
        copy = tmp_path / f"{next(count)}.sqlite3"
        copy.write_bytes(migrated.read_bytes())
        return Database.open(f"sqlite:///{copy}")

    return make


def new_store(root: Path) -> BlobStore:
    store = BlobStore(root)
    store.prepare()
    return store


def recorded(database: Database) -> str:
    with database.read() as connection:
        return blob_place.recorded(connection)


def test_a_catalog_records_its_first_store(
    catalog: Callable[[], Database], tmp_path: Path
) -> None:
    database, store = catalog(), new_store(tmp_path / "store")
    claim(database, StoreId(store.root))
    assert recorded(database) == StoreId(store.root).confirmed() != ""
    assert sorted(path.name for path in store.root.iterdir() if path.is_file()) == [
        "store-id"
    ]


def test_a_store_that_was_moved_is_still_the_catalogs(
    catalog: Callable[[], Database], tmp_path: Path
) -> None:
    database, store = catalog(), new_store(tmp_path / "store")
    claim(database, StoreId(store.root))
    claim(database, StoreId(store.root.rename(tmp_path / "moved")))


def test_a_store_of_its_own_is_refused_and_stays_unclaimed(
    catalog: Callable[[], Database], tmp_path: Path
) -> None:
    database, other = catalog(), new_store(tmp_path / "other")
    claim(database, StoreId(new_store(tmp_path / "store").root))
    with pytest.raises(
        SettingsError, match="does not have the uploads of this catalog"
    ) as info:
        claim(database, StoreId(other.root))
    assert recorded(database) in str(info.value)
    assert StoreId(other.root).confirmed() == ""


@pytest.mark.parametrize("is_claimed", [False, True], ids=["a new one", "a used one"])
def test_the_store_of_another_catalog_is_refused(
    catalog: Callable[[], Database], tmp_path: Path, *, is_claimed: bool
) -> None:
    store, others = new_store(tmp_path / "store"), [catalog(), catalog()]
    claim(others[0], StoreId(store.root))
    if is_claimed:
        claim(others[1], StoreId(new_store(tmp_path / "other").root))
    before = StoreId(store.root).confirmed()
    with pytest.raises(SettingsError, match="belongs to another catalog"):
        claim(others[1], StoreId(store.root))
    assert StoreId(store.root).confirmed() == before


@pytest.mark.parametrize(
    "step",
    ["gateway.catalog.blob_place.record", "gateway.storage.store_id.StoreId.confirm"],
)
def test_a_claim_that_was_interrupted_is_finished_by_the_next_start(
    catalog: Callable[[], Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    database, store = catalog(), new_store(tmp_path / "store")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, crash)
        with pytest.raises(KeyboardInterrupt):
            claim(database, StoreId(store.root))
    claim(database, StoreId(store.root))
    assert recorded(database) == StoreId(store.root).confirmed() != ""


def test_of_gateways_with_stores_of_their_own_one_starts(
    postgresql: Server, tmp_path: Path
) -> None:
    def start(number: int) -> str:
        database = Database.open(url)
        try:
            claim(database, StoreId(new_store(tmp_path / str(number // 2)).root))
        except SettingsError as error:
            return str(error)
        finally:
            database.engine.dispose()
        return ""

    with postgresql.new_database() as url, ThreadPoolExecutor(4) as pool:
        database = Database.open(url)
        upgrade(database)
        refused = [*filter(None, pool.map(start, range(4)))]
        place = recorded(database)
        database.engine.dispose()
    assert len(refused) == 2
    assert all("does not have the uploads of this catalog" in text for text in refused)
    assert len([*tmp_path.rglob("store-id")]) == 1
    assert place != ""


def test_a_check_changes_nothing(
    catalog: Callable[[], Database], tmp_path: Path
) -> None:
    database, store = catalog(), new_store(tmp_path / "store")
    store_claim.check(database, StoreId(store.root))
    assert recorded(database) == StoreId(store.root).confirmed() == ""


#: What stands for a bucket: another folder with an id.
Buckets = tuple[Database, StoreId]


@pytest.fixture
def bucket(catalog: Callable[[], Database], tmp_path: Path) -> Callable[[], Buckets]:
    """Return a function that makes a catalog with its bucket."""
    count = iter(range(9))

    def make() -> Buckets:
        return catalog(), StoreId(new_store(tmp_path / f"bucket-{next(count)}").root)

    return make


def own_store(root: Path, name: str = "r1") -> BlobStore:
    store = BlobStore(root, name)
    store.prepare()
    return store


def test_a_store_beside_a_bucket_is_its_gateway_s(
    bucket: Callable[[], Buckets], tmp_path: Path
) -> None:
    (database, blobs), store = bucket(), own_store(tmp_path / "store")
    for _ in range(2):
        claim_with_own_store(database, blobs, store, earlier="id")
    owner = StoreOwner.of(store.root)
    assert owner == StoreOwner(recorded(database), "r1")
    # It has no blobs: without GATEWAY_BLOBS it must not be accepted.
    assert [path.name for path in store.root.iterdir() if path.is_file()] == [
        "store-owner"
    ]
    with pytest.raises(SettingsError, match="does not have the uploads"):
        claim(database, StoreId(store.root))


def test_a_store_of_a_bucket_s_gateway_that_has_no_owner_yet_gets_it(
    bucket: Callable[[], Buckets], tmp_path: Path
) -> None:
    """Releases before this one wrote none."""
    (database, blobs), store = bucket(), own_store(tmp_path / "store")
    claim(database, blobs)
    (store.sessions / "unfinished").touch()
    claim_with_own_store(database, blobs, store, earlier="id")
    assert StoreOwner.of(store.root) == StoreOwner(recorded(database), "r1")


def test_a_gateway_that_gets_a_name_keeps_its_store(
    bucket: Callable[[], Buckets], tmp_path: Path
) -> None:
    database, blobs = bucket()
    for name in ("id", "r1"):
        store = own_store(tmp_path / "store", name)
        claim_with_own_store(database, blobs, store, earlier="id")
    assert StoreOwner.of(store.root) == StoreOwner(recorded(database), "r1")


def of_a_disk(database: Database, _: StoreId, store: BlobStore) -> None:
    claim(database, StoreId(store.root))


def of_a_bucket(database: Database, blobs: StoreId, store: BlobStore) -> None:
    claim_with_own_store(database, blobs, store, earlier="id")


@pytest.mark.parametrize("is_claimed", [False, True], ids=["a new one", "a used one"])
@pytest.mark.parametrize("first", [of_a_disk, of_a_bucket])
def test_beside_a_bucket_the_store_of_another_catalog_is_refused(
    bucket: Callable[[], Buckets],
    tmp_path: Path,
    first: Callable[[Database, StoreId, BlobStore], None],
    *,
    is_claimed: bool,
) -> None:
    store, (database, blobs) = own_store(tmp_path / "store"), bucket()
    first(*bucket(), store)
    if is_claimed:
        claim(database, blobs)
    before = recorded(database), blobs.confirmed(), StoreOwner.of(store.root)
    with pytest.raises(SettingsError, match=r"_STORE: .* another catalog") as info:
        claim_with_own_store(database, blobs, store, earlier="id")
    after = recorded(database), blobs.confirmed(), StoreOwner.of(store.root)
    assert after == before
    (file,) = store.root.glob("store-*")
    assert f"delete {file}" in str(info.value)


def test_a_copy_of_the_blobs_in_a_bucket_leaves_the_catalog_its_store(
    bucket: Callable[[], Buckets], tmp_path: Path
) -> None:
    (database, blobs), store = bucket(), own_store(tmp_path / "store")
    claim(database, StoreId(store.root))
    blobs.propose(recorded(database))
    claim_with_own_store(database, blobs, store, earlier="id")
    assert StoreOwner.of(store.root) == StoreOwner(recorded(database), "r1")


def test_the_store_of_another_gateway_of_the_catalog_is_refused(
    bucket: Callable[[], Buckets], tmp_path: Path
) -> None:
    """Its unfinished uploads are those of the other gateway."""
    database, blobs = bucket()
    store = own_store(tmp_path / "store")
    claim_with_own_store(database, blobs, store, earlier="id")
    with pytest.raises(SettingsError, match="belongs to the gateway r1") as info:
        claim_with_own_store(
            database, blobs, own_store(store.root, "r2"), earlier="other id"
        )
    assert f"delete {store.root}/store-owner" in str(info.value)
    assert StoreOwner.of(store.root) == StoreOwner(recorded(database), "r1")


def test_of_gateways_that_claim_one_store_at_once_one_is_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = StoreOwner("catalog", "r1"), StoreOwner("catalog", "r2")
    write = copies.write

    def write_late(file: Path, content: bytes, *, owner: Owner | None) -> None:
        write(file, content, owner=owner)
        if file.name.endswith(".r2"):
            assert first.claim(tmp_path) == first

    monkeypatch.setattr(copies, "write", write_late)
    assert second.claim(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["store-owner"]
