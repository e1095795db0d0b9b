"""A Delivery becomes headers that nginx reads once and as they were meant."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import accel
from gateway.delivery.accel import (
    LARGE,
    SMALL,
    Way,
    accel_headers,
    verdict_headers,
)
from gateway.delivery.verdict import Delivery
from gateway.storage.content import BLOBS, BucketObject, DiskFile
from gateway.storage.paths import MAXIMUM_BYTES

#: What nginx takes over from an answer that names a location, besides X-Accel-*:
#: ``redirect`` in ngx_http_upstream_headers_in, ngx_http_upstream.c.
KEPT = {
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Type",
    "Expires",
    "Set-Cookie",
}
ROOT = Path(__file__).resolve().parents[2]
#: Bytes of the status line and of what gunicorn and Flask add, rounded up.
STATUS_AND_DATE = 512
FILES = "files"
SHOWN_FILES = accel.location(Way.SHOWN, FILES)
ACTED_ON = {"X-Accel-Redirect", "X-Accel-Limit-Rate"}


def delivery(path: str = "a.txt", **changes: Any) -> Delivery:
    """Return a delivery of *path*, plain but for *changes*."""
    facts: dict[str, Any] = {
        "name": "a.txt",
        "is_inline": True,
        "max_age": 60,
        "rate": None,
    }
    folder, size = changes.pop("folder", FILES), changes.pop("size", 1)
    return Delivery(content=DiskFile(folder, path, size), **facts | changes)


def location(path: str) -> str:
    """Return the location that nginx is sent to for *path*."""
    return accel_headers(delivery(path))["X-Accel-Redirect"]


@pytest.mark.parametrize(
    ("path", "encoded"),
    [
        pytest.param("a/b/c.txt", "a/b/c.txt", id="folders"),
        pytest.param("a b.txt", "a%20b.txt", id="space"),
        pytest.param("a?b.txt", "a%3Fb.txt", id="question-mark"),
        pytest.param("a#b.txt", "a%23b.txt", id="hash"),
        pytest.param("100%.txt", "100%25.txt", id="percent"),
        pytest.param("%2e%2e/x", "%252e%252e/x", id="percent-encoded-dots"),
        pytest.param("a+b", "a%2Bb", id="plus"),
        pytest.param("$uri", "%24uri", id="nginx-variable"),
        pytest.param("\U0001f600", "%F0%9F%98%80", id="emoji"),
        pytest.param("a\u2028b", "a%E2%80%A8b", id="line-separator"),
    ],
)
def test_the_location_is_the_path_encoded_once(path: str, encoded: str) -> None:
    """What nginx decodes once is the path of the file, letter for letter."""
    assert location(path) == f"{SHOWN_FILES}{encoded}"


SEGMENT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"),
    min_size=1,
    max_size=20,
).filter(lambda segment: not segment.startswith("."))
PATHS = st.lists(SEGMENT, min_size=1, max_size=5).map("/".join)


@given(PATHS)
def test_any_location_decodes_to_the_path(path: str) -> None:
    """Nothing that ends a location or a header is left bare."""
    told = location(path)
    assert unquote(told, errors="strict") == SHOWN_FILES + path
    assert told.isascii()
    assert not set(told) & set("?# \\\r\n")


@given(PATHS, st.text())
def test_any_header_is_one_line_of_ascii(path: str, name: str) -> None:
    """WSGI takes Latin-1 and nginx reads lines: neither is put to the test."""
    headers = accel_headers(delivery(path, name=name, rate=1))
    assert "".join(headers.values()).isascii()
    assert "".join(headers.values()).isprintable()


@given(PATHS, st.text())
def test_any_kept_target_is_the_path_as_it_is(path: str, name: str) -> None:
    """Nothing decodes it, and its end is marked: nginx trims headers."""
    told = verdict_headers(delivery(path, name=name))["X-Accel-Target"]
    assert told.encode("latin-1").decode() == f"{SHOWN_FILES}{path}/"


def test_both_ways_tell_the_client_the_same() -> None:
    """A client can't see whether its verdict was a kept one."""
    told = delivery(rate=1, name="\u65e5", shared_max_age=9)
    kept, direct = verdict_headers(told), accel_headers(told)
    kept["Cache-Control"] = kept.pop("X-Accel-Cache-Control")
    del kept["X-Accel-Target"], direct["X-Accel-Redirect"]
    assert kept == direct


def test_nginx_keeps_no_header_of_an_object_that_may_be_missing() -> None:
    """A browser would save the page that says so."""
    found = BucketObject("/media/a.txt?get", "/media/a.txt?head")
    told = accel_headers(replace(delivery(rate=1), content=found))
    assert not {*told} & KEPT
    assert told == {
        "X-Accel-Redirect": "@gateway_object",
        "X-Accel-Object": "/media/a.txt?get /media/a.txt?head",
        "X-Accel-Disposition": 'inline; filename="a.txt"',
        "X-Accel-Cache-Control": "private, max-age=60",
        "X-Accel-Limit-Rate": "1",
    }


@pytest.mark.parametrize(
    ("renew", "told"),
    [
        pytest.param(100, ("@99", None), id="at-its-end"),
        pytest.param(99, ("@98", "stale-while-revalidate=1"), id="before-its-end"),
    ],
)
def test_nginx_is_told_how_long_a_verdict_stands(
    renew: int, told: tuple[str, str | None]
) -> None:
    """Through one second, and through another while a new one is asked for."""
    headers = verdict_headers(delivery(valid_until=100, renew_from=renew))
    assert (headers["X-Accel-Expires"], headers.get("Cache-Control")) == told


def test_a_verdict_for_one_request_is_not_kept() -> None:
    """What nginx keeps is what it is told a time of, and nothing else."""
    headers = verdict_headers(delivery())
    assert not {"X-Accel-Expires", "Cache-Control"} & set(headers)


@pytest.mark.parametrize(
    ("folder", "size", "is_inline", "prefix"),
    [
        pytest.param(FILES, SMALL, False, "/_small_files/", id="small-file"),
        pytest.param(FILES, SMALL + 1, False, "/_files/", id="file"),
        pytest.param(FILES, LARGE - 1, False, "/_files/", id="larger-file"),
        pytest.param(FILES, LARGE - 1, True, "/_shown_files/", id="shown-file"),
        pytest.param(FILES, LARGE, True, "/_large_files/", id="large-file"),
        pytest.param(BLOBS, 0, False, "/_small_blobs/", id="empty-upload"),
        pytest.param(BLOBS, SMALL + 1, False, "/_blobs/", id="upload"),
        pytest.param(BLOBS, 0, True, "/_shown_blobs/", id="shown-upload"),
        pytest.param(BLOBS, LARGE, True, "/_large_blobs/", id="large-upload"),
    ],
)
def test_the_size_says_how_a_file_is_read(
    folder: str, size: int, *, is_inline: bool, prefix: str
) -> None:
    told = delivery("a", folder=folder, size=size, is_inline=is_inline)
    assert accel_headers(told)["X-Accel-Redirect"] == f"{prefix}a"
    assert verdict_headers(told)["X-Accel-Target"] == f"{prefix}a/"


def test_every_header_survives_nginx() -> None:
    """A header that nginx drops would be a promise to nobody."""
    headers = accel_headers(delivery(rate=1))
    assert set(headers) <= KEPT | ACTED_ON


def test_the_type_is_left_to_nginx() -> None:
    """A Content-Type from here would override the table of both sides."""
    assert "Content-Type" not in accel_headers(delivery())


def test_the_longest_path_and_name_fit_the_buffer_of_nginx() -> None:
    """A header that is too big for it is a 503 on a genuine link."""
    conf = (ROOT / "nginx/snippets/answers.conf").read_text("utf-8")
    [kilobytes] = re.findall(r"^proxy_buffer_size (\d+)k;$", conf, re.MULTILINE)
    name = "\ufdfa" * 85  # eighteen letters each
    path = "/".join([name] * 16)[: MAXIMUM_BYTES // 3]
    told = str(accel_headers(delivery(path, name=name, rate=2**53 - 1)))
    assert len(told) + STATUS_AND_DATE < int(kilobytes) * 1024


@pytest.mark.parametrize(
    ("is_inline", "value"),
    [
        pytest.param(True, 'inline; filename="b.txt"', id="shown"),
        pytest.param(False, 'attachment; filename="b.txt"', id="saved"),
    ],
)
def test_the_name_is_the_deliverys_and_not_the_files(
    value: str, *, is_inline: bool
) -> None:
    """A link may give a file a better name than its folder does."""
    headers = accel_headers(delivery("a.txt", name="b.txt", is_inline=is_inline))
    assert headers["Content-Disposition"] == value


@pytest.mark.parametrize(
    "seconds", [pytest.param(0, id="none"), pytest.param(86_400, id="a-day")]
)
def test_a_private_copy_may_be_kept_for_the_deliverys_seconds(seconds: int) -> None:
    """No shared cache keeps what was delivered to one person."""
    headers = accel_headers(delivery(max_age=seconds))
    assert headers["Cache-Control"] == f"private, max-age={seconds}"


def test_shared_caches_are_told_the_seconds_that_are_theirs() -> None:
    """A browser's time stays what it was, and caches know which is whose."""
    headers = accel_headers(delivery(max_age=600, shared_max_age=60))
    assert headers["Cache-Control"] == "public, max-age=600, s-maxage=60"


def test_a_rate_is_told_in_bytes_a_second() -> None:
    """The number stands alone: nginx reads no unit here."""
    assert accel_headers(delivery(rate=1000))["X-Accel-Limit-Rate"] == "1000"


def test_without_a_rate_nothing_is_said_of_one() -> None:
    """The location's own rate, if there is one, then holds."""
    assert "X-Accel-Limit-Rate" not in accel_headers(delivery(rate=None))
