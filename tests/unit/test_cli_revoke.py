"""``gateway revoke``, ``files`` and ``sign --upload``: words and statuses."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import uploads, users
from gateway.catalog.database import Database
from gateway.catalog.uploads import Upload
from gateway.catalog.users import Role
from gateway.links import Key, KeyRing, LinkSigner
from gateway.storage.blobs import BlobStore, new_id
from tests.unit.command import RING, SITE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.command import Run

NOBODY = new_id()
FORGED = LinkSigner(KeyRing((Key(RING.newest.id, "0123456789" * 4),)), SITE).sign(
    "a/b.txt", expires=timedelta(hours=1)
)


@pytest.fixture
def upload(run: Run, tmp_path: Path, migrated: Path) -> Upload:
    """Make a catalog with one user and one upload, whose name is a hidden one."""
    (tmp_path / "var").mkdir()
    shutil.copyfile(migrated, tmp_path / "var" / "catalog.sqlite3")
    assert run("db", "upgrade").status == 0
    database = Database.open(f"sqlite:///{tmp_path}/var/catalog.sqlite3")
    store = BlobStore(tmp_path / "var" / "store")
    upload_id = new_id()
    source = store.spool / "body"
    source.write_bytes(b"hello\n")
    with database.write() as connection:
        ann = users.add(
            connection,
            name="ann",
            password_hash=users.hash_password("x" * 10),
            role=Role.MEMBER,
            now=1,
        )
        made = Upload(
            id=upload_id,
            owner_id=ann.id,
            name=".hidden.txt",
            size=6,
            media_type="text/plain",
            blob=store.adopt(source, upload_id, "txt"),
            sha256=None,
            created=86_400,
        )
        uploads.add(connection, made)
    database.engine.dispose()
    source.unlink()
    return made


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["revoke"], id="nothing"),
        pytest.param(["revoke", "URL", "--path", "a"], id="two"),
        pytest.param(["revoke", "--list", "--path", "a"], id="list of one"),
        pytest.param(["revoke", "--list", "--undo"], id="undo of what"),
        pytest.param(["revoke", "URL", "--before", "2990-01-31"], id="url before"),
        pytest.param(["sign", "a", "--upload", NOBODY, "--no-expiry"], id="sign both"),
        pytest.param(["sign", "--upload", NOBODY, "--folder", "--no-expiry"], id="dir"),
        pytest.param(["files", "list", "--limit", "0"], id="no limit"),
    ],
)
def test_wrong_usage_is_status_2(run: Run, arguments: list[str]) -> None:
    """Nothing is looked up for what can't have been meant."""
    assert run(*arguments).status == 2


@pytest.mark.usefixtures("upload")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["revoke", FORGED], "forged", id="forged"),
        pytest.param(["revoke", "--key", "other"], "'other'", id="unknown key"),
        pytest.param(["revoke", "--path", "../a"], "no link leads", id="path above"),
        pytest.param(["revoke", "--upload", NOBODY], NOBODY, id="no upload"),
        pytest.param(["revoke", "--path", "a", "--undo"], "not revoked", id="undo"),
        pytest.param(["sign", "--upload", NOBODY, "--no-expiry"], NOBODY, id="sign"),
        pytest.param(
            ["sign", "--upload", NOBODY, "--no-expiry", "--name", "a"],
            NOBODY,
            id="sign with a name",
        ),
        pytest.param(["files", "delete", NOBODY], NOBODY, id="delete"),
        pytest.param(["files", "show", NOBODY], NOBODY, id="show"),
        pytest.param(["files", "list", "--user", "bob"], "bob", id="no user"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(
    run: Run, arguments: list[str], words: str
) -> None:
    """Whoever runs it in a script can tell that nothing was done, and why."""
    ran = run(*arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert words in ran.err
    assert run("revoke", "--list").out == ""


@pytest.mark.usefixtures("upload")
def test_inspecting_tells_what_was_taken_back(run: Run) -> None:
    """The same answer as the gateway gives, where there is a catalog to ask."""
    url = run("sign", "a/b.txt", "--expires", "1h").out.strip()
    before = run("inspect", url)
    revoked = run("revoke", "--path", "a")
    after = run("inspect", url, "--json")
    undone = run("revoke", "--path", "a", "--undo")
    assert (before.status, revoked.status, after.status, undone.status) == (0, 0, 1, 0)
    assert revoked.out.startswith("path:a  issued until ")
    assert after.facts["why"] == "revoked"
    assert run("inspect", url).status == 0


def test_commands_know_the_path_of_the_public_url(
    run: Run, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link below it is signed, inspected and taken back as any other."""
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", f"{SITE}/media")
    url = run("sign", "a/b.txt", "--expires", "1h").out.strip()
    before, revoked, after = (
        run("inspect", url),
        run("revoke", url),
        run("inspect", url),
    )
    (listed,) = run("files", "list", "--json").facts
    assert url.startswith(f"{SITE}/media/s/k{RING.newest.id}.")
    assert (before.status, revoked.status, after.status) == (0, 0, 1)
    assert listed["url"] == f"/media/files/{upload.id}/.hidden.txt"
    assert run("files", "show", upload.id, "--json").facts == listed


def test_a_link_to_an_upload_has_its_name(run: Run, upload: Upload) -> None:
    """A hidden name can't be a path that is served, so the claim carries it."""
    ran = run("sign", "--upload", upload.id, "--expires", "1h")
    assert (ran.status, ran.err) == (0, "")
    assert (ran.claims.upload, ran.claims.name) == (upload.id, ".hidden.txt")
    assert ran.out.endswith("/_hidden.txt\n")


def test_a_deleted_upload_is_gone_with_its_content(
    run: Run, upload: Upload, tmp_path: Path
) -> None:
    """Its row goes first, then its blob, and links to it say so."""
    url = run("sign", "--upload", upload.id, "--expires", "1h").out.strip()
    run("revoke", "--upload", upload.id)
    listed = run("files", "list").out
    blob = tmp_path / "var" / "store" / "blobs" / upload.blob
    was_there = blob.exists()
    assert run("files", "delete", upload.id).status == 0
    assert listed == f"{upload.id}  ann  6  1970-01-02 00:00:00  .hidden.txt\n"
    assert (was_there, blob.exists()) == (True, False)
    assert "deleted" in run("inspect", url).out
    assert run("files", "list").out == run("revoke", "--list").out == ""


def test_an_upload_is_shown_as_the_list_does(run: Run, upload: Upload) -> None:
    shown = run("files", "show", upload.id)
    assert (shown.status, shown.out) == (0, run("files", "list").out)
    (listed,) = run("files", "list", "--json").facts
    assert run("files", "show", upload.id, "--json").facts == listed
    assert (listed["drop"], listed["url"]) == (None, f"/files/{upload.id}/.hidden.txt")


@pytest.mark.usefixtures("upload")
def test_uploads_are_listed_by_the_drop_link_that_they_came_by(run: Run) -> None:
    assert run("files", "list", "--drop", "abcdefghijkm").out == ""


def test_inspecting_makes_no_catalog(run: Run) -> None:
    """A link can be inspected anywhere, and nothing is left there."""
    before = sorted(os.listdir())  # noqa: PTH208 -- names, not paths
    url = run("sign", "a/b.txt", "--expires", "1h").out.strip()
    assert run("inspect", url).status == 0
    assert sorted(os.listdir()) == before  # noqa: PTH208
