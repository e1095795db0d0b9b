"""Each code is documented, and each finding is produced by a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from gateway.doctor.answers import INTERNAL
from gateway.doctor.results import Code
from gateway.web.nginx.family import BEGIN, COMMIT
from tests.doctor import test_inside
from tests.live import test_doctor
from tests.unit.test_layout import locations

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
#: Codes that a test of their own produces.
ELSEWHERE: Final = {
    Code.UNREACHABLE: "test_arrival",
    Code.NOT_A_GATEWAY: "test_arrival",
    Code.PATH_PREFIX: "test_arrival",
    Code.NOT_READY: "tests/live/test_doctor",
    Code.FILE_REFUSED: "tests/live/test_doctor",
    Code.PLAIN_HTTP: "tests/live/test_doctor",
    Code.TLS_ENDS: "tests/live/test_doctor",
    Code.CLOCK: "tests/live/test_doctor",
}


def test_each_finding_is_produced_by_a_broken_deployment() -> None:
    tables = (
        test_inside.BROKEN.values(),
        test_doctor.BROKEN.values(),
        test_doctor.SETTINGS.values(),
    )
    produced = {code for table in tables for *_, codes in table for code in codes}
    assert produced | set(ELSEWHERE) == set(Code)
    assert produced & set(ELSEWHERE) == set()


def test_each_code_is_in_the_table_of_the_documentation() -> None:
    page = (DOCS / "operations.md").read_text()
    section = page.partition("\n## Doctor\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == [*Code]


def test_each_internal_location_of_nginx_is_tried() -> None:
    rendered = locations(
        GATEWAY_FILES="/srv/files two/=/srv/two videos/=s3://media",
        GATEWAY_BLOBS="s3://media/uploads",
    )
    internal = {name for name, body in rendered.items() if "internal;" in body}
    # The first is any other name; named locations have no URL.
    names = {name for name in internal if name != "/_" and not name.startswith("@")}
    tried = {path.removesuffix("error.html") for path in INTERNAL}
    # nginx requests these of Flask in named locations.
    assert tried == names | {BEGIN, COMMIT}
