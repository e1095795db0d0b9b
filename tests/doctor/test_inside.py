"""The doctor names what is wrong on the gateway's machine."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from gateway.doctor.keys import most_bits
from gateway.doctor.results import Code, State
from tests.live.disks import require_root
from tests.live.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doctor.conftest import Place
    from tests.unit.command import Run

    Damage = Callable[[Place], None]

OLD: Final = 500 * 86_400


def test_nothing_is_wrong_with_a_good_machine(place: Place) -> None:
    results = place.results()
    assert {each.code for each in results if each.state is State.FOUND} == set()
    unknown = {each.code for each in results if each.state is State.NOT_CHECKED}
    assert unknown == {Code.BUCKET, Code.MAIL_RELAY}


def given(name: str, value: str) -> Damage:
    """Set a variable."""
    return lambda place: place.changes.update({name: value})


def write(name: str, content: str) -> Damage:
    """Replace the content of a file in the data folder."""

    def damage(place: Place) -> None:
        (place.data / name).write_text(content)

    return damage


def remove(name: str) -> Damage:
    return lambda place: (place.data / name).unlink()


def grow_old(name: str) -> Damage:
    """Set the time of a file's last change to more than a year ago."""
    then = time.time() - OLD
    return lambda place: os.utime(place.data / name, (then, then))


def open_up(name: str, mode: int) -> Damage:
    """Change the mode of a file or folder."""
    return lambda place: (place.data / name).chmod(mode)


def give_away(name: str) -> Damage:
    """Give a file or folder to another user."""

    def damage(place: Place) -> None:
        require_root()
        os.chown(place.data / name, 65_534, 65_534)

    return damage


def execute(*statements: str) -> Damage:
    """Change the catalog, without regard for references."""

    def damage(place: Place) -> None:
        with closing(sqlite3.connect(place.data / "catalog.sqlite3")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return damage


def queue_mail(place: Place) -> None:
    """Put a mail into the outbox, two hours ago."""
    execute(
        "INSERT INTO outbox (recipient_id, state, words, tries, created, changed, due, "
        "expires) VALUES ('r', 'waiting', 'mail relay: Connection refused', 3, 0, 0, "
        "0, 0)",
        "UPDATE outbox SET created = CAST(strftime('%s', 'now') AS INTEGER) - 7200",
    )(place)


def lose_relay(place: Place) -> None:
    place.changes |= {
        "GATEWAY_MAIL_URL": f"smtp://localhost:{free_port()}?tls=none",
        "GATEWAY_MAIL_FROM": "files@example.com",
        "GATEWAY_PUBLIC_URL": "https://files.example.com",
    }


def lose_bucket(name: str) -> Damage:
    """Name a bucket on a server that does not run."""

    def damage(place: Place) -> None:
        place.changes |= {
            name: "s3://media/films",
            "GATEWAY_BUCKET_ENDPOINT": f"http://127.0.0.1:{free_port()}",
            "GATEWAY_BUCKET_KEY_ID": "key",
            "GATEWAY_BUCKET_SECRET": "secret",
        }

    return damage


def lose_database(place: Place) -> None:
    url = f"postgresql+psycopg://a@127.0.0.1:{free_port()}/b"
    place.changes["GATEWAY_DATABASE"] = url


#: How a machine is broken, and what the doctor finds.
BROKEN: Final = {
    "an invalid setting": (given("GATEWAY_GRACE", "soon"), {Code.SETTINGS}),
    "a misspelt setting": (given("GATEWAY_WORKRS", "3"), {Code.SETTINGS}),
    "a missing key file": (given("GATEWAY_KEYS_FILE", "/none"), {Code.SETTINGS}),
    "a short key": (write("keys", "a:short"), {Code.KEYS_SHORT}),
    "a short server secret": (
        given("GATEWAY_SECRET", "0123456789abcdef"),
        {Code.KEYS_SHORT},
    ),
    "a key of digits": (write("keys", f"a:{'0123456789' * 3}12"), {Code.KEYS_SHORT}),
    "an old key": (grow_old("keys"), {Code.KEYS_OLD}),
    "an old server secret": (grow_old("secret"), {Code.KEYS_OLD}),
    "keys for all": (open_up("keys", 0o644), {Code.PERMISSIONS}),
    "a catalog that a group can write": (
        open_up("catalog.sqlite3", 0o660),
        {Code.PERMISSIONS},
    ),
    "a store for all": (open_up("store", 0o777), {Code.PERMISSIONS}),
    "keys of another user": (give_away("keys"), {Code.OWNER}),
    "a store of another user": (give_away("store"), {Code.OWNER}),
    "a full disk": (given("GATEWAY_FREE_SPACE", "1000000T"), {Code.DISK_FULL}),
    "a bucket of files that does not answer": (
        lose_bucket("GATEWAY_FILES"),
        {Code.BUCKET},
    ),
    "a bucket of uploads that does not answer": (
        lose_bucket("GATEWAY_BLOBS"),
        {Code.BUCKET},
    ),
    "no verdicts": (remove("run/verdicts.sock"), {Code.NOT_RUNNING}),
    "nginx's files of another release": (
        write("run/conf/live/release", "another\n"),
        {Code.NGINX_CONF_OLD},
    ),
    "nginx's files of an early release": (
        remove("run/conf/live/release"),
        {Code.NGINX_CONF_OLD},
    ),
    "no ledger": (remove(f"store/ledger/{'1' * 32}/current.log"), {Code.LEDGER}),
    "no catalog": (remove("catalog.sqlite3"), {Code.CATALOG}),
    "a damaged catalog": (write("catalog.sqlite3", "nonsense" * 999), {Code.CATALOG}),
    "a database that does not run": (lose_database, {Code.CATALOG}),
    "an old catalog": (
        execute("UPDATE alembic_version SET version_num = '0001'"),
        {Code.CATALOG_SCHEMA},
    ),
    "a catalog of a later release": (
        execute(
            "UPDATE alembic_version SET version_num = '9999'",
            "UPDATE compatibility SET oldest = '9999'",
        ),
        {Code.CATALOG_SCHEMA},
    ),
    "no housekeeping": (remove("last-housekeeping"), {Code.HOUSEKEEPING}),
    "housekeeping that has stopped": (
        grow_old("last-housekeeping"),
        {Code.HOUSEKEEPING},
    ),
    "a relay that does not run": (lose_relay, {Code.MAIL_RELAY}),
    "mails that wait": (queue_mail, {Code.MAILS_WAIT}),
}


@pytest.mark.parametrize(("damage", "codes"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_machine_is_found_out(
    place: Place, damage: Damage, codes: set[Code]
) -> None:
    damage(place)
    assert place.findings() == codes


def test_a_mail_that_has_just_been_queued_may_wait(place: Place) -> None:
    queue_mail(place)
    execute("UPDATE outbox SET created = created + 7200")(place)
    assert place.findings() == set()


@pytest.mark.parametrize(
    ("secret", "bits"),
    [
        pytest.param("0" * 32, 106, id="digits"),
        pytest.param("ab" * 16, 128, id="hexadecimal"),
        pytest.param("xyz" * 11, 155, id="letters"),
        pytest.param("aA0-" * 11, 264, id="base64url"),
    ],
)
def test_the_strength_of_a_secret_is_what_its_characters_allow(
    secret: str, bits: int
) -> None:
    assert most_bits(secret) == bits


def test_a_round_by_hand_is_recorded(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove("last-housekeeping")(place)
    monkeypatch.setenv("GATEWAY_DATA", str(place.data))
    assert run("housekeep").status == 0
    assert place.findings() == set()


def test_the_doctor_changes_nothing(place: Place) -> None:
    def state() -> dict[str, tuple[int, float]]:
        return {
            str(path): (path.lstat().st_mode, path.lstat().st_mtime)
            for path in place.data.rglob("*")
        }

    before = state()
    place.results()
    assert state() == before
