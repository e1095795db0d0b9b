"""PUTs into a bucket through Flask's test client, which makes nginx's requests."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from gateway.app import create_app
from gateway.catalog import tokens, uploads, users
from gateway.catalog.tokens import Scope
from gateway.config import settings
from gateway.http import families
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.runtime.prepare import make_first_admin, prepare
from gateway.storage.blobs import BlobStore, blob_name, new_id
from gateway.web.outages import BUCKET_OUTAGES
from tests.live.fake_bucket import FakeBucket
from tests.web.conftest import NOON
from tests.web.nginx import behind_nginx
from tests.web.test_finalise_slots import asked
from tests.web.test_tus import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

__all__ = ["asked"]

CONTENT = b"content"
KEY = {"GATEWAY_BUCKET_KEY_ID": "key", "GATEWAY_BUCKET_SECRET": "secret"}
#: The answer to the deletion of objects.
DELETED = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<DeleteResult/>"
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next cause be logged at once, and give the machine credentials."""
    monkeypatch.setattr(BUCKET_OUTAGES, "_next", 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "role")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def bucket() -> Iterator[FakeBucket]:
    with FakeBucket().running() as running:
        running.script = lambda _method: DELETED
        yield running


class BucketUploads(Uploads):
    """The requests that nginx makes for a PUT."""

    def order(self, **headers: str) -> TestResponse:
        """Send CONTENT, which nginx then sends to the bucket."""
        spooled = str(self.spool(CONTENT))
        return self.ask("PUT", "/api/v1/files/a.bin", X_Spool_File=spooled, **headers)

    def commit(
        self, status: str, *, digest_of: bytes | None, **headers: str
    ) -> TestResponse:
        """Send CONTENT with a digest, after the bucket has answered *status*."""
        if digest_of is not None:
            headers["Content_Digest"] = f"sha-256=:{checksum(digest_of)}:"
        return self.ask(
            "PUT",
            "/_commit",
            X_Original_URI="/api/v1/files/a.bin",
            X_Spool_File=str(self.spool(CONTENT)),
            X_Gateway_Family=families.UPLOADS.name,
            X_Gateway_Blob=blob_name(new_id(), "bin"),
            X_Bucket_Status=status,
            **headers,
        )

    def recorded(self) -> list[bytes | None]:
        """Return the digests of all uploads in the catalog."""
        with self.database.read() as connection:
            return [u.sha256 for u in uploads.newest(connection, None, limit=9)]


def checksum(content: bytes) -> str:
    return b64encode(hashlib.sha256(content).digest()).decode()


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: FakeBucket
) -> BucketUploads:
    """Give a gateway; its parameter are the settings of the bucket's key."""
    (tmp_path / "files").mkdir()
    environment = {
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_KEYS": str(Key.generate()),
        "GATEWAY_SECRET": str(ServerSecret.generate()),
        "GATEWAY_FREE_SPACE": "0",
    }
    # Without the bucket: only a server that stores objects can be claimed.
    database = prepare(settings.read(environment).settings)
    make_first_admin(database, tmp_path / "first-password", now=int(NOON))
    with database.write() as connection:
        token = tokens.new(
            connection,
            users.by_name(connection, "admin"),
            scopes=set(Scope),
            expires=None,
            now=int(NOON),
        )
    environment |= {
        "GATEWAY_BLOBS": "s3://media/uploads",
        "GATEWAY_BUCKET_ENDPOINT": f"http://127.0.0.1:{bucket.port}",
        **getattr(request, "param", KEY),
    }
    current = settings.read(environment).settings
    # The clock of the spooled files: of an old one the object is looked up.
    app = behind_nginx(create_app(current))
    assert current.store is not None
    return BucketUploads(app, database, BlobStore(current.store), token, time.time())


@pytest.mark.parametrize(
    ("status", "digest_of", "answer"),
    [
        pytest.param("400", b"other", (400, "digest-mismatch"), id="other content"),
        pytest.param("400", CONTENT, (503, "busy"), id="the client's content"),
        pytest.param("400", None, (503, "busy"), id="no digest"),
        pytest.param("403", b"other", (503, "busy"), id="another refusal"),
    ],
)
def test_a_refusal_of_the_bucket_is_the_client_s_fault_if_its_digest_is_wrong(
    site: BucketUploads,
    caplog: pytest.LogCaptureFixture,
    status: str,
    digest_of: bytes | None,
    answer: tuple[int, str],
) -> None:
    """Amazon answers 400 to a slow sender and to an expired token, too."""
    got = site.commit(status, digest_of=digest_of)
    assert (got.status_code, got.get_json()["type"][10:]) == answer
    is_logged = f"the bucket's answer to a PUT is {status}" in caplog.text
    assert is_logged == (answer[0] == 503)
    assert site.recorded() == []
    assert site.usage().running == 0


@pytest.mark.parametrize(
    ("digest_of", "repeated", "answer"),
    [
        pytest.param(b"other", "", 400, id="no, and it is wrong"),
        pytest.param(
            b"other", checksum(CONTENT), 400, id="another one, and it is wrong"
        ),
        pytest.param(b"other", "?", 400, id="no digest, and it is wrong"),
        pytest.param(CONTENT, "", 201, id="no, and it is right"),
        # Of other content, to see that the file is not read.
        pytest.param(b"other", checksum(b"other"), 201, id="yes"),
    ],
)
def test_a_digest_that_no_answer_repeats_is_compared_before_it_is_recorded(
    site: BucketUploads,
    bucket: FakeBucket,
    digest_of: bytes,
    repeated: str,
    answer: int,
) -> None:
    """A server that knows no checksums has ignored it."""
    got = site.commit("200", digest_of=digest_of, X_Bucket_Checksum=repeated)
    assert got.status_code == answer
    is_recorded = answer == 201
    assert site.recorded() == [hashlib.sha256(digest_of).digest()] * is_recorded
    # The object of a refused upload is deleted.
    asked = [head.partition(" HTTP")[0] for head in bucket.asked]
    assert asked == ["POST /media?delete"] * (not is_recorded)


@pytest.mark.parametrize("site", [{}], indirect=True, ids=["a role's credentials"])
def test_a_digest_that_the_bucket_can_not_verify_is_computed_in_a_slot(
    site: BucketUploads, asked: list[int]
) -> None:
    """No slot is free.  Without a digest nothing is read, and none is needed."""
    digest = f"sha-256=:{checksum(CONTENT)}:"
    refused, sent = site.order(Content_Digest=digest), site.order()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.headers["X-Gateway-Reason"] == "too-many-ends"
    assert sent.headers["X-Accel-Redirect"] == "@gateway_store"
    assert asked == [len(CONTENT)]
