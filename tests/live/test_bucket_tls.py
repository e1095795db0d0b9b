"""A bucket over HTTPS: only the server that its certificate names is asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.errors import BucketBusyError
from gateway.origin import Origin
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_server import BucketServer
from gateway.storage.places import BucketURL
from tests.live.certificates import Authority
from tests.live.fake_bucket import CONTENT, FakeBucket
from tests.live.test_bucket_answers import STORED, URL, Delivery
from tests.live.test_bucket_uploads import (
    Uploads,
    by_form,
    by_put,
    by_put_with_digest,
    get,
)
from tests.live.test_nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.seaweedfs import SeaweedFS

BODY = b"x" * 100_000


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def certificate(trusted: Authority) -> Path:
    return trusted.issue("localhost")


@pytest.fixture(scope="module", params=["of another name", "of another authority"])
def wrong(
    request: pytest.FixtureRequest,
    trusted: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a certificate that is not the bucket's."""
    if request.param == "of another name":
        return trusted.issue("other.example")
    return Authority(tmp_path_factory.mktemp("another")).issue("localhost")


@pytest.fixture(autouse=True)
def authority(trusted: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust one authority only, without a setting of the gateway."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.certificate))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@contextmanager
def delivery(folder: Path, certificate: Path) -> Iterator[Delivery]:
    """Run nginx between a gunicorn and a bucket with TLS, both fakes."""
    with (
        FakeBucket(certificate).running() as bucket,
        Nginx(
            folder,
            GATEWAY_FILES="s3://media",
            GATEWAY_BLOBS="s3://media/uploads",
            GATEWAY_BUCKET_ENDPOINT=f"https://localhost:{bucket.port}",
        ) as nginx,
    ):
        yield Delivery(nginx, bucket)


def test_nginx_asks_the_bucket_whose_certificate_is_right(
    tmp_path: Path, certificate: Path
) -> None:
    with delivery(tmp_path, certificate) as running:
        assert running.get().content == CONTENT
        running.bucket.script = lambda _: STORED
        assert running.put(BODY) == "200"
        asked = [head.split("\r\n")[:2] for head in running.bucket.asked]
        host = f"Host: localhost:{running.bucket.port}"
        assert asked == [
            [f"{method} {URL} HTTP/1.1", host] for method in ("HEAD", "GET", "PUT")
        ]
        assert running.bucket.bodies[-1] == BODY


def test_nginx_sends_nothing_to_a_server_with_another_certificate(
    tmp_path: Path, wrong: Path
) -> None:
    with delivery(tmp_path, wrong) as running:
        assert running.get().status_code == 503
        assert running.put(BODY) == "502"
        assert running.bucket.asked == []


def test_the_gateway_sends_nothing_to_a_server_with_another_certificate(
    wrong: Path,
) -> None:
    with FakeBucket(wrong).running() as fake:
        endpoint = Origin("https", "localhost", fake.port)
        server = BucketServer(endpoint, "us-east-1", "key", "secret")
        bucket = Bucket.open(BucketURL("media", ""), server)
        with pytest.raises(BucketBusyError, match="does not answer"):
            bucket.check_listing()
        assert fake.asked == []


def test_a_gateway_stores_and_delivers_over_https(
    seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(seaweedfs.authority.certificate))
    stack = Uploads(seaweedfs, GATEWAY_BUCKET_ENDPOINT=seaweedfs.https_endpoint)
    with stack.running():
        stack.put("a.txt", b"there")
        assert stack.ask(stack.sign("a.txt")).content == b"there"
        token = stack.new_token("upload", "read")
        for way in (by_put, by_put_with_digest, by_form):
            assert get(stack, token, way(stack, token, BODY)) == BODY
        assert sorted(stack.objects().values())[-3:] == [len(BODY)] * 3
