"""Files in a bucket that fails, or whose objects are replaced."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from tests.live.disks import require_root
from tests.live.fake_bucket import CONTENT, FakeBucket
from tests.live.ports import free_port
from tests.live.site import MEMBER, a_site
from tests.live.stack import PRESIGNED, BucketStack, NativeStack, wait_until
from tests.live.test_bucket_uploads import (
    Uploads,
    by_form,
    by_put,
    by_put_with_digest,
    digest_of,
    get,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.seaweedfs import SeaweedFS

MIB = 1 << 20


@pytest.fixture(scope="module")
def stack(seaweedfs: SeaweedFS) -> Iterator[BucketStack]:
    """Run a gateway whose log has errors of its bucket."""
    port = free_port()
    running = BucketStack(
        seaweedfs, GATEWAY_AUTHORIZE=f"http://127.0.0.1:{port}/may-read"
    )
    with a_site(port):
        running.start()
        try:
            yield running
            assert PRESIGNED.search(running.log()) is None
        finally:
            running.stop()


READY = 200, {"status": "ok"}
FAILING = 503, {"status": "failing", "failing": ["files"]}


def readiness(stack: BucketStack) -> tuple[int, dict[str, object]]:
    """Return the answer of /readyz."""
    answer = stack.send(f"{stack.url}/readyz")
    return answer.status_code, answer.json()


def body_until_cut(answer: requests.Response) -> bytes:
    """Return the bytes of an answer that may end too early."""
    body = b""
    try:
        for chunk in answer.iter_content(1 << 16):
            body += chunk
    except requests.exceptions.ChunkedEncodingError:
        pass
    return body


def test_a_download_is_of_one_version_although_the_object_is_replaced(
    stack: BucketStack,
) -> None:
    old, new = os.urandom(24 * MIB), os.urandom(MIB)
    stack.put("film.bin", old)
    url = stack.sign("film.bin", rate=8 * MIB)
    with stack.send(url, stream=True) as answer:
        etag = answer.headers["ETag"]
        stack.put("film.bin", new)
        body = body_until_cut(answer)
    assert 0 < len(body) < len(old)
    assert old.startswith(body)
    wait_until(
        lambda: stack.send(url, "HEAD").headers["ETag"] != etag, what="it is replaced"
    )
    rest = {"Range": f"bytes={len(body)}-"}
    resumed = stack.send(url, headers={"If-Range": etag, **rest})
    assert (resumed.status_code, resumed.content) == (200, new)


def test_an_object_replaced_under_a_kept_look_up_is_sent_whole(
    stack: BucketStack,
) -> None:
    versions = [os.urandom(6 * MIB) for _ in range(8)]
    stack.put("often.bin", versions[0])
    url = stack.sign("often.bin")
    for version in versions:
        stack.put("often.bin", version)
        with ThreadPoolExecutor(4) as pool:
            bodies = {a.content for a in pool.map(stack.send, [url] * 4)}
        assert bodies <= {*versions}
    wait_until(
        lambda: stack.send(url).content == versions[-1], what="the last one is sent"
    )


def test_each_nginx_caches_objects_in_a_folder_with_its_gateway_s_name(
    stack: BucketStack,
) -> None:
    """Gateways that share a store would delete each other's cached objects."""
    stack.put("cached.bin", b"cached")
    assert stack.send(stack.sign("cached.bin")).content == b"cached"
    own = (stack.home / "data" / "id").read_text()
    caches = [path for path in stack.store() if path.startswith("byte-cache/")]
    assert {path.split("/")[1] for path in caches} == {own}


@pytest.mark.extra
def test_what_is_cached_is_sent_without_the_bucket(
    stack: BucketStack, seaweedfs: SeaweedFS
) -> None:
    stack.put("hot.bin", b"hot")
    stack.put("cold.bin", b"cold")
    hot, cold = stack.sign("hot.bin"), stack.sign("cold.bin")
    assert stack.ask(hot).content == b"hot"
    assert readiness(stack) == READY
    with seaweedfs.away():
        stack.let_verdicts_end()
        assert stack.ask(hot).content == b"hot"
        refused = stack.ask(cold, headers={"Accept": "application/json"})
        assert (refused.status_code, refused.json()["status"]) == (503, 503)
        assert refused.headers["Retry-After"] == "5"
        assert readiness(stack) == FAILING
    wait_until(lambda: stack.ask(cold).content == b"cold", what="the bucket is back")
    assert readiness(stack) == READY


@pytest.mark.extra
def test_a_bucket_that_never_answers_is_a_503_page(
    stack: BucketStack, seaweedfs: SeaweedFS
) -> None:
    stack.put("hot2.bin", b"hot")
    hot, cold = stack.sign("hot2.bin"), stack.sign("cold2.bin")
    assert stack.ask(hot).content == b"hot"
    stack.let_verdicts_end()
    time.sleep(1)  # the look-up's second begins later than the verdict's
    start = time.monotonic()
    with seaweedfs.frozen(), ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(stack.send, url) for url in (hot, cold)]
        time.sleep(1)
        assert stack.send(hot).content == b"hot"
        assert not any(answer.done() for answer in waiting)
        cached, refused = (answer.result() for answer in waiting)
        page = pool.submit(stack.send, f"{stack.url}/login").result()
        assert readiness(stack) == FAILING
    assert (cached.content, refused.status_code) == (b"hot", 503)
    assert page.status_code == 200
    assert time.monotonic() - start < 60


@pytest.mark.extra
def test_a_bucket_that_moves_is_found_at_its_new_address(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    """The machine's names are those of a file, in a mount namespace of its own."""
    require_root()
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.99 bucket.test\n")
    port = seaweedfs.endpoint.rpartition(":")[2]
    stack = BucketStack(seaweedfs, GATEWAY_BUCKET_ENDPOINT=f"http://bucket.test:{port}")
    mount = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    stack.starter = ("unshare", "--mount", "sh", "-c", mount, "sh")
    stack.start()
    try:
        stack.put("a.txt")
        url = stack.sign("a.txt")
        assert stack.ask(url).status_code == 503
        hosts.write_text("127.0.0.1 localhost\n127.0.0.1 bucket.test\n")
        wait_until(
            lambda: stack.send(url).status_code == 200,
            seconds=60,
            what="nginx has resolved the name again",
        )
        assert stack.log_has("bucket.test has other addresses; nginx is reloaded")
    finally:
        stack.stop()


@pytest.mark.extra
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"GATEWAY_BUCKET_SECRET": "another"}, id="forbids"),
        pytest.param({"GATEWAY_FILES": "s3://no-such-bucket"}, id="does not exist"),
    ],
)
def test_a_bucket_that_denies_everything_has_no_file(
    seaweedfs: SeaweedFS, settings: dict[str, str]
) -> None:
    denied = BucketStack(seaweedfs, **settings)
    denied.put("a.txt", b"there")
    denied.start()
    try:
        answer = denied.ask(denied.sign("a.txt"))
        assert answer.status_code == 404
        assert answer.headers["Cache-Control"] == "no-store"
        assert readiness(denied) == FAILING
        assert PRESIGNED.search(denied.log()) is None
    finally:
        denied.stop()


@pytest.mark.parametrize(
    "path", ["dot/.hidden.txt", ".dot/a.txt", "folder", "folder/", "none.txt"]
)
def test_what_is_no_visible_object_is_not_there(stack: BucketStack, path: str) -> None:
    for key in ("dot/.hidden.txt", ".dot/a.txt", "folder/a.txt", "folder/"):
        stack.put(key, b"secret")
    folder = stack.sign("dot", folder=True).removesuffix("dot/")
    answer = stack.ask(f"{stack.url}/x")
    assert stack.ask(folder + path).status_code == answer.status_code == 404


def test_an_object_that_the_site_permits_is_delivered(stack: BucketStack) -> None:
    stack.put("own/a b.txt", b"0123456789")
    url = f"{stack.url}/p/own/a b.txt"
    refused = stack.send(url)
    whole = stack.send(url, headers=MEMBER)
    part = stack.send(url, headers={**MEMBER, "Range": "bytes=-2"})
    missing = stack.send(f"{stack.url}/p/none.txt", headers=MEMBER)
    assert [a.status_code for a in (refused, whole, part, missing)] == [
        *(302, 200, 206, 404)
    ]
    assert (whole.content, part.content) == (b"0123456789", b"89")
    etag = whole.headers["ETag"]
    for method, sent, status, body in (
        ("HEAD", {}, 200, b""),
        ("GET", {"Range": "bytes=1-2", "If-Range": etag}, 206, b"12"),
        ("GET", {"Range": "bytes=1-2", "If-Range": '"other"'}, 200, b"0123456789"),
        ("GET", {"If-None-Match": etag}, 304, b""),
        ("GET", {"Range": "bytes=99-"}, 416, None),
    ):
        answer = stack.send(url, method, headers={**MEMBER, **sent})
        assert answer.status_code == status, sent
        assert body is None or answer.content == body, sent
    assert whole.headers["Content-Disposition"] == 'inline; filename="a b.txt"'
    assert whole.headers["Cache-Control"] == "private, max-age=0"
    assert missing.headers["Cache-Control"] == "no-store"


def test_the_commands_look_an_object_up(stack: BucketStack) -> None:
    stack.put("mäggi 100%.txt", b"there")
    url = stack.gateway("sign", "mäggi 100%.txt", "--expires", "1h").strip()
    stack.tokens.add(url.split("/")[4])
    assert stack.ask(url).content == b"there"
    inspected = stack.gateway("inspect", url).splitlines()
    assert inspected[0] == "valid now"
    assert not [line for line in inspected if line.startswith("but ")]


def test_the_place_with_the_longest_prefix_has_a_file(seaweedfs: SeaweedFS) -> None:
    stack = BucketStack(seaweedfs)
    second = stack.home / "second"
    bucket = stack.settings["GATEWAY_FILES"]
    stack.settings["GATEWAY_FILES"] = (
        f"{stack.files} films/={bucket} films/own/={second}"
    )
    for path, content in (
        (stack.files / "a.txt", "first folder"),
        (stack.files / "films" / "b.txt", "behind the bucket"),
        (stack.files / "films" / "disk.txt", "behind the bucket"),
        (second / "c.txt", "second folder"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    for key, content in (
        ("b.txt", "bucket"),
        ("own/c.txt", "behind the second folder"),
        ("own/object.txt", "behind the second folder"),
    ):
        stack.put(key, content.encode())
    with stack.running():
        below_films = stack.sign("films", folder=True)
        for url, content in (
            (stack.sign("a.txt"), "first folder"),
            (stack.sign("films/b.txt"), "bucket"),
            (stack.sign("films/own/c.txt"), "second folder"),
            (f"{below_films}b.txt", "bucket"),
            (f"{below_films}own/c.txt", "second folder"),
        ):
            answer = stack.ask(url)
            assert (answer.status_code, answer.text) == (200, content)
        for missing in ("films/disk.txt", "films/own/object.txt", "none.txt"):
            assert stack.ask(stack.sign(missing)).status_code == 404, missing


def test_the_key_may_be_that_of_the_environment(seaweedfs: SeaweedFS) -> None:
    """The first of the provider's default chain."""
    stack = Uploads(seaweedfs)
    for name, standard in (
        ("GATEWAY_BUCKET_KEY_ID", "AWS_ACCESS_KEY_ID"),
        ("GATEWAY_BUCKET_SECRET", "AWS_SECRET_ACCESS_KEY"),
    ):
        stack.settings[standard] = stack.settings.pop(name)
    with stack.running():
        stack.put("a.txt", b"there")
        assert stack.ask(stack.sign("a.txt")).content == b"there"
        token = stack.new_token("upload", "read")
        content = os.urandom(100_000)
        for way in (by_put, by_put_with_digest, by_form):
            assert get(stack, token, way(stack, token, content)) == content
        # The bucket can't verify it: obstore signs no headers.
        other = digest_of(b"other")
        refused = put(stack, token, "a.bin", content, Content_Digest=other)
        assert refused.json()["type"] == "/problems/digest-mismatch"
        assert [*stack.objects().values()].count(len(content)) == 3


def test_a_session_token_is_for_the_bucket_and_in_no_log() -> None:
    with FakeBucket().running() as bucket:
        stack = NativeStack(
            GATEWAY_FILES="s3://media",
            GATEWAY_BUCKET_ENDPOINT=f"http://127.0.0.1:{bucket.port}",
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secretaccesskey",
            AWS_SESSION_TOKEN="sessiontoken",
        )
        stack.start()
        try:
            assert stack.send(stack.sign("a.txt")).content == CONTENT
            asked = [head for head in bucket.asked if " /media/a.txt?" in head]
            assert len(asked) == 2
            assert all("X-Amz-Security-Token=sessiontoken" in head for head in asked)
            bucket.close()
            assert stack.send(stack.sign("b.txt")).status_code == 503
            log = stack.whole_log()
            assert "X-Amz-Security-Token=[redacted]" in log
            assert not {"sessiontoken", "secretaccesskey"} & {*re.findall(r"\w+", log)}
        finally:
            stack.stop()
