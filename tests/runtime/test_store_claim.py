"""A store or bucket and a catalog that belong together, and those that do not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TYPE_CHECKING

import obstore
import pytest

from gateway.catalog import blob_place
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.errors import SettingsError
from gateway.runtime import store_claim
from gateway.runtime.store_claim import claim, claim_with_own_store
from gateway.storage import copies
from gateway.storage.blobs import BlobStore
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_id import BucketId
from gateway.storage.places import BucketURL
from gateway.storage.store_id import StoreId
from gateway.storage.store_owner import StoreOwner
from tests.live.seaweedfs import BUCKET
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.ownership import Owner
    from gateway.storage.store_id import BlobsId
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


def new_store(root: Path) -> BlobsId:
    store = BlobStore(root)
    store.prepare()
    return StoreId(store.root)


@pytest.fixture(params=["store", "bucket"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobsId]:
    """Return a function that makes a place for blobs, which belongs to no catalog."""
    if request.param == "store":
        return lambda: new_store(tmp_path / token_hex(4))
    endpoint = request.getfixturevalue("seaweedfs").endpoint

    def new_bucket() -> BlobsId:
        url = BucketURL(BUCKET, f"{token_hex(4)}/")
        return BucketId(Bucket.open(url, server(endpoint)))

    return new_bucket


def recorded(database: Database) -> str:
    with database.read() as connection:
        return blob_place.recorded(connection)


def test_an_id_is_proposed_and_then_confirmed(new_place: Callable[[], BlobsId]) -> None:
    place = new_place()
    assert (place.confirmed(), place.proposed()) == ("", "")
    place.propose("first")
    place.propose("second")
    assert (place.confirmed(), place.proposed()) == ("", "second")
    place.confirm()
    assert (place.confirmed(), place.proposed()) == ("second", "")


def test_a_confirmed_id_stays(new_place: Callable[[], BlobsId]) -> None:
    """Another gateway has confirmed the same proposal."""
    place = new_place()
    place.propose("first")
    for _ in range(2):
        place.confirm()
    assert (place.confirmed(), place.proposed()) == ("first", "")


def test_an_id_has_an_age_once_it_is_confirmed(
    new_place: Callable[[], BlobsId],
) -> None:
    place, now = new_place(), int(time.time()) + 10_000
    place.propose("first")
    with pytest.raises(FileNotFoundError):
        place.age(now=now)
    place.confirm()
    assert 9_000 < place.age(now=now) < 11_000


def test_a_catalog_records_its_first_place(
    catalog: Callable[[], Database], new_place: Callable[[], BlobsId]
) -> None:
    database, place = catalog(), new_place()
    claim(database, place)
    assert recorded(database) == place.confirmed() != ""
    assert place.proposed() == ""


def test_a_store_that_was_moved_is_still_the_catalogs(
    catalog: Callable[[], Database], tmp_path: Path
) -> None:
    database, root = catalog(), tmp_path / "store"
    claim(database, new_store(root))
    claim(database, StoreId(root.rename(tmp_path / "moved")))


def test_a_place_of_its_own_is_refused_and_stays_unclaimed(
    catalog: Callable[[], Database], new_place: Callable[[], BlobsId]
) -> None:
    database, other = catalog(), new_place()
    claim(database, new_place())
    with pytest.raises(
        SettingsError, match="does not have the uploads of this catalog"
    ) as info:
        claim(database, other)
    assert recorded(database) in str(info.value)
    assert other.variable in str(info.value)
    assert (other.confirmed(), other.proposed()) == ("", "")


@pytest.mark.parametrize("is_claimed", [False, True], ids=["a new one", "a used one"])
def test_the_place_of_another_catalog_is_refused(
    catalog: Callable[[], Database],
    new_place: Callable[[], BlobsId],
    *,
    is_claimed: bool,
) -> None:
    place, others = new_place(), [catalog(), catalog()]
    claim(others[0], place)
    if is_claimed:
        claim(others[1], new_place())
    before = place.confirmed()
    with pytest.raises(SettingsError, match="belongs to another catalog"):
        claim(others[1], place)
    assert place.confirmed() == before


def before_the_record(_: BlobsId) -> tuple[object, str]:
    return blob_place, "record"


def before_the_confirmation(place: BlobsId) -> tuple[object, str]:
    return type(place), "confirm"


@pytest.mark.parametrize("step", [before_the_record, before_the_confirmation])
def test_a_claim_that_was_interrupted_is_finished_by_the_next_start(
    catalog: Callable[[], Database],
    new_place: Callable[[], BlobsId],
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[BlobsId], tuple[object, str]],
) -> None:
    database, place = catalog(), new_place()
    interrupted(lambda: claim(database, place), *step(place), monkeypatch)
    claim(database, place)
    assert recorded(database) == place.confirmed() != ""


@pytest.mark.parametrize("new_place", ["bucket"], indirect=True)
def test_a_confirmation_may_end_between_its_two_requests(
    catalog: Callable[[], Database],
    new_place: Callable[[], BlobsId],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bucket has no rename: the proposal is copied, then deleted."""
    database, place = catalog(), new_place()
    interrupted(lambda: claim(database, place), obstore, "delete", monkeypatch)
    claim(database, place)
    assert recorded(database) == place.confirmed() == place.proposed() != ""


def interrupted(
    run: Callable[[], None], owner: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crash when *name* of *owner* is called."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with pytest.raises(KeyboardInterrupt):
            run()


def test_of_gateways_with_places_of_their_own_those_of_one_start(
    postgresql: Server, new_place: Callable[[], BlobsId]
) -> None:
    places = [new_place(), new_place()]

    def start(number: int) -> str:
        database = Database.open(url)
        try:
            claim(database, places[number % 2])
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
    assert sorted(each.confirmed() for each in places) == ["", place]
    assert place != ""


def test_a_check_changes_nothing(
    catalog: Callable[[], Database], new_place: Callable[[], BlobsId]
) -> None:
    database, place = catalog(), new_place()
    store_claim.check(database, place)
    assert recorded(database) == place.confirmed() == place.proposed() == ""


#: What stands for a bucket: another folder with an id.
Buckets = tuple[Database, "BlobsId"]


@pytest.fixture
def bucket(catalog: Callable[[], Database], tmp_path: Path) -> Callable[[], Buckets]:
    """Return a function that makes a catalog with its bucket."""
    count = iter(range(9))

    def make() -> Buckets:
        return catalog(), new_store(tmp_path / f"bucket-{next(count)}")

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


def of_a_disk(database: Database, _: BlobsId, store: BlobStore) -> None:
    claim(database, StoreId(store.root))


def of_a_bucket(database: Database, blobs: BlobsId, store: BlobStore) -> None:
    claim_with_own_store(database, blobs, store, earlier="id")


@pytest.mark.parametrize("is_claimed", [False, True], ids=["a new one", "a used one"])
@pytest.mark.parametrize("first", [of_a_disk, of_a_bucket])
def test_beside_a_bucket_the_store_of_another_catalog_is_refused(
    bucket: Callable[[], Buckets],
    tmp_path: Path,
    first: Callable[[Database, BlobsId, BlobStore], None],
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
