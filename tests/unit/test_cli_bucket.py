"""``gateway sign`` and ``gateway inspect`` with files in a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.fake_bucket import FakeBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.command import Run

MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def bucket(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBucket]:
    del run  # it clears the environment first
    with FakeBucket().running() as bucket:
        endpoint = f"http://127.0.0.1:{bucket.port}"
        monkeypatch.setenv("GATEWAY_FILES", "s3://media")
        monkeypatch.setenv("GATEWAY_BUCKET_ENDPOINT", endpoint)
        monkeypatch.setenv("GATEWAY_BUCKET_KEY_ID", "key")
        monkeypatch.setenv("GATEWAY_BUCKET_SECRET", "secret")
        yield bucket


def signed_and_inspected(run: Run) -> tuple[str, str]:
    """Sign a link to an object; return the warning, and the first lines about it."""
    signed = run("sign", "a.txt", "--expires", "1h")
    assert signed.status == 0
    lines = run("inspect", signed.out.strip()).out.splitlines()
    return signed.err, "\n".join(line for line in lines if line[:4] in {"vali", "but "})


def test_an_object_that_exists_is_found(run: Run, bucket: FakeBucket) -> None:
    assert signed_and_inspected(run) == ("", "valid now")
    assert [head.partition(" HTTP")[0] for head in bucket.asked] == [
        "HEAD /media/a.txt"
    ] * 2


def test_an_object_that_is_missing_is_called_so(run: Run, bucket: FakeBucket) -> None:
    bucket.script = lambda _: MISSING
    fault = "a.txt: nothing is served there yet (missing)"
    assert signed_and_inspected(run) == (
        f"gateway: warning: {fault}\n",
        f"valid now\nbut {fault}",
    )


def test_a_bucket_that_is_away_is_called_so(run: Run, bucket: FakeBucket) -> None:
    bucket.close()
    fault = "a.txt: could not be looked up: bucket s3://media does not answer: "
    warning, inspected = signed_and_inspected(run)
    assert warning.startswith(f"gateway: warning: {fault}")
    assert inspected.startswith(f"valid now\nbut {fault}")
