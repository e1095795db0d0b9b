"""argon2 is computed while no transaction is open, and what it allowed still holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from sqlalchemy import Pool, event, select

from gateway.catalog import users
from gateway.catalog.schema import login_attempts as table
from gateway.cli import gateway
from gateway.runtime.prepare import make_first_admin
from tests.web.conftest import EITHER_CATALOG, NOON, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.catalog.password_hashes import PasswordHash
    from tests.web.conftest import Site

NEW = "another long password"


@dataclass
class Hasher:
    """Hashes for next to nothing, and notes how many connections are in use then."""

    in_use: int = 0
    noted: list[int] = field(default_factory=list)
    meanwhile: Callable[[], object] = bool
    cheap: PasswordHasher = field(
        default_factory=partial(
            PasswordHasher, time_cost=1, memory_cost=8, parallelism=1
        )
    )

    def hash(self, password: bytes) -> Any:
        return self._slowly(lambda: self.cheap.hash(password))

    def verify(self, password_hash: str, password: bytes) -> Any:
        return self._slowly(lambda: self.cheap.verify(password_hash, password))

    def _slowly(self, compute: Callable[[], Any]) -> Any:
        self.noted.append(self.in_use)
        result = compute()
        meanwhile, self.meanwhile = self.meanwhile, bool
        meanwhile()
        return result

    def taken(self, *_: object) -> None:
        self.in_use += 1

    def given_back(self, *_: object) -> None:
        self.in_use -= 1


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasher]:
    made = Hasher()
    monkeypatch.setattr("gateway.catalog.password_hashes._hasher", made)
    event.listen(Pool, "checkout", made.taken)
    event.listen(Pool, "checkin", made.given_back)
    yield made
    event.remove(Pool, "checkout", made.taken)
    event.remove(Pool, "checkin", made.given_back)


def log_in_anew(site: Site, password: str = PASSWORD) -> int:
    site.client.delete_cookie("gateway")
    return site.log_in(password=password).status_code


def change_password(site: Site, *, current: str = PASSWORD) -> int:
    fields = {"current": current, "new": NEW, "again": NEW}
    token = {"csrf_token": site.token("/password")}
    return site.client.post("/password", data={**token, **fields}).status_code


@EITHER_CATALOG
@pytest.mark.parametrize(
    ("act", "times"),
    [
        pytest.param(log_in_anew, 1, id="login"),
        pytest.param(lambda site: log_in_anew(site, "wrong"), 1, id="wrong login"),
        pytest.param(change_password, 2, id="new password"),
        pytest.param(
            lambda site: change_password(site, current="wrong"), 1, id="wrong current"
        ),
    ],
)
@pytest.mark.usefixtures("ann")
def test_a_page_computes_argon2_while_no_connection_is_in_use(
    site: Site, hasher: Hasher, act: Callable[[Site], object], times: int
) -> None:
    act(site)
    assert hasher.noted == [0] * times


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["users", "add", "bob", "--password", NEW], id="new user"),
        pytest.param(["users", "passwd", "ann", "--password", NEW], id="new password"),
    ],
)
@pytest.mark.usefixtures("ann")
def test_a_command_computes_argon2_while_no_connection_is_in_use(
    site: Site, tmp_path: Path, hasher: Hasher, arguments: list[str]
) -> None:
    environment = {
        "GATEWAY_FILES": str(site.files),
        "GATEWAY_DATA": str(tmp_path / "data"),
    }
    CliRunner().invoke(gateway, arguments, env=environment, catch_exceptions=False)
    assert hasher.noted == [0]


def test_the_first_admin_is_made_while_no_connection_is_in_use(
    site: Site, hasher: Hasher, tmp_path: Path
) -> None:
    assert make_first_admin(site.database, tmp_path / "first", now=int(NOON))
    assert hasher.noted == [0]


def disable(site: Site) -> None:
    with site.database.write() as connection:
        user = users.by_name(connection, "ann")
        users.set_disabled(connection, user, is_disabled=True)


def change_elsewhere(site: Site) -> None:
    with site.database.write() as connection:
        user = users.by_name(connection, "ann")
        users.set_password(connection, user, users.hash_password("set elsewhere"))


MEANWHILE = pytest.mark.parametrize(
    "change",
    [
        pytest.param(disable, id="disabled"),
        pytest.param(change_elsewhere, id="other password"),
    ],
)


@EITHER_CATALOG
@MEANWHILE
def test_a_login_that_is_overtaken_is_refused_and_counts_as_a_try(
    site: Site, hasher: Hasher, change: Callable[[Site], None]
) -> None:
    site.add_user("ann")
    hasher.meanwhile = partial(change, site)
    assert site.log_in().status_code == 403
    assert site.client.get("/").status_code == 303
    with site.database.read() as connection:
        counted = connection.execute(
            select(table.c.subject, table.c.count.label("tried"))
        ).all()
    assert {row.tried for row in counted if row.subject.startswith("address:")} == {1}


@EITHER_CATALOG
@MEANWHILE
@pytest.mark.usefixtures("ann")
def test_a_new_password_that_is_overtaken_is_not_set(
    site: Site,
    hasher: Hasher,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Site], None],
) -> None:
    hash_password = users.hash_password

    def overtaken(password: str) -> PasswordHash:
        monkeypatch.setattr(users, "hash_password", hash_password)
        change(site)
        return hash_password(password)

    token = {"csrf_token": site.token("/password")}
    monkeypatch.setattr(users, "hash_password", overtaken)
    fields = {"current": PASSWORD, "new": NEW, "again": NEW}
    answer = site.client.post("/password", data={**token, **fields})
    assert answer.status_code == 403
    assert hasher.noted
    with site.database.read() as connection:
        assert users.credentials(connection, "ann").check(NEW) is None
