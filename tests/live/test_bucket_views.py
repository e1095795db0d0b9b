"""Views of real Flask and Django sites that send objects of a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.runtime.rendering import HEADERS_MORE
from tests.live.stack import PRESIGNED, wait_until
from tests.live.test_views import ENVIRONMENT, OF_DJANGO, TEXT, Site, ask, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.seaweedfs import SeaweedFS

pytestmark = pytest.mark.extra


class BucketSite(Site):
    """The same site with its files in a bucket."""

    def __init__(self, name: str, home: Path, server: SeaweedFS) -> None:
        super().__init__(name, home)
        self.server = server
        self.settings = server.settings(f"views-{name}")
        # The site's nginx has no part in uploads.
        self.settings["GATEWAY_BLOBS"] = "s3://media/uploads"
        self.modules = f"load_module {HEADERS_MORE};"
        self.includes = f"include {home}/conf/conf.d/bucket.conf;"
        subprocess.run(
            [
                *(sys.executable, "-m", "gateway", "nginx-conf"),
                *("--output", home / "conf", "--listen", "127.0.0.1:8080"),
                *("--access-log", home / "access.log"),
            ],
            env=ENVIRONMENT
            | self.settings
            | {"GATEWAY_DATA": str(home / "data")}
            | {"GATEWAY_VERDICT_CACHE": str(home / "verdicts")},
            check=True,
        )
        for folder in ("data/store/byte-cache", "data/run/nginx"):
            (home / folder).mkdir(parents=True, exist_ok=True)

    def put(self, name: str, content: bytes = TEXT) -> Path:
        self.server.put(f"views-{self.name}/{name}", content)
        return self.files / name


@pytest.fixture(scope="module", params=["flask", "django"])
def site(
    request: pytest.FixtureRequest,
    seaweedfs: SeaweedFS,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BucketSite]:
    home = tmp_path_factory.mktemp("site")
    site = BucketSite(request.param, home, seaweedfs)
    with site.running():
        yield site
    log = (home / f"{site.name}.log").read_text("utf-8")
    assert PRESIGNED.search(log) is None
    assert "[warn]" not in log


def test_nginx_sends_the_object_that_a_view_names(site: BucketSite) -> None:
    site.put("reports/ä 100%.txt")
    path = "/send/reports/ä 100%25.txt?max_age=60"
    answer, alone = site.get(path), ask(site.without + path)
    assert (answer.status_code, answer.content, alone.content) == (200, TEXT, TEXT)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    of_nginx = ("Accept-Ranges", "ETag", "Last-Modified", "Content-Length")
    assert told(answer, *of_nginx) == told(
        alone, *OF_DJANGO, *of_nginx, "Transfer-Encoding"
    )
    etag = answer.headers["ETag"]
    unchanged = site.get(path, headers={"If-None-Match": etag})
    part = site.get(path, headers={"Range": "bytes=1-2", "If-Range": etag})
    other = site.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    past = site.get(path, headers={"Range": "bytes=99-"})
    changed = site.get(path, headers={"If-Match": '"other"'})
    assert [a.status_code for a in (unchanged, part, other, past, changed)] == [
        *(304, 206, 200, 416, 412)
    ]
    assert (part.content, other.content) == (TEXT[1:3], TEXT)


def test_a_large_object_is_sent_whole_and_after_it_was_replaced(
    site: BucketSite,
) -> None:
    old, new = os.urandom(3 << 20), os.urandom(3 << 20)
    site.put("film.mp4", old)
    assert site.get("/send/film.mp4").content == old
    site.put("film.mp4", new)
    wait_until(lambda: site.get("/send/film.mp4").content == new, what="it is replaced")


def test_a_missing_object_is_no_download(site: BucketSite) -> None:
    answer = site.get("/send/none.txt?attachment&max_age=60")
    assert answer.status_code == 404
    assert not {"Content-Disposition", "Cache-Control"} & {*answer.headers}


@pytest.mark.parametrize("path", ["@gateway_object", "/_object"])
def test_an_application_can_not_have_the_bucket_asked(
    site: BucketSite, path: str
) -> None:
    assert site.get(f"/named?location={path}").status_code == 404
    assert site.get("/_object").status_code == 404
