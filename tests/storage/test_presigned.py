"""Presigned URLs: a signature is valid for one value of Host only."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import parse_qs

import pytest

from gateway.origin import Origin
from gateway.storage import presigned
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_server import BucketServer
from gateway.storage.places import BucketURL
from tests.unit.rendered import rendered


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://s3.example.com", "s3.example.com"),
        ("https://s3.example.com:443", "s3.example.com"),
        ("https://s3.example.com:8443", "s3.example.com:8443"),
        ("http://s3.example.com", "s3.example.com"),
        ("http://s3.example.com:443", "s3.example.com:443"),
    ],
)
def test_both_signers_sign_the_host_that_nginx_sends(endpoint: str, host: str) -> None:
    server = BucketServer(Origin.of(endpoint), "eu-central-1", "key", "secret")
    signed = Bucket.open(BucketURL("media", ""), server).content("a b.txt").get
    fields = {name: text for name, [text] in parse_qs(signed.partition("?")[2]).items()}
    date = datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    expected = presigned.query(
        server,
        "GET",
        "/media/a b.txt",
        {"host": host},
        seconds=int(fields["X-Amz-Expires"]),
        now=int(date.timestamp()),
    )
    assert parse_qs(signed) == parse_qs(expected)
    assert server.endpoint.authority == host
    files = rendered(
        GATEWAY_FILES="s3://media",
        GATEWAY_BLOBS="s3://media/uploads",
        GATEWAY_BUCKET_ENDPOINT=endpoint,
    )
    for name in ("snippets/files.conf", "conf.d/store.conf"):
        assert {*re.findall(r"proxy_set_header Host (.*);", files[name])} == {host}


def test_a_key_of_the_settings_has_no_session_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That of the environment belongs to another key."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another key")
    endpoint = Origin.of("https://s3.example.com")
    server = BucketServer(endpoint, "eu-central-1", "key", "secret")
    bucket = Bucket.open(BucketURL("media", ""), server)
    fields = parse_qs(bucket.content("a.txt").get.partition("?")[2])
    assert fields["X-Amz-Credential"][0].startswith("key/")
    assert "X-Amz-Security-Token" not in fields
