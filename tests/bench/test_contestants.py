"""Whoever is measured sends the very bytes: a fast wrong answer is no figure."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests

from bench.contestants import (
    ACCEL,
    BARE,
    BASE,
    COLD,
    GENERATOR,
    HOT,
    LEASED,
    RCLONE,
    SAME_LOG,
    SECURE_LINK,
    SEND_FILE,
    SENDFILE2,
    STARLETTE,
    UNCACHED,
    start_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contestants import Contestant

pytestmark = pytest.mark.extra

#: Where the text stands in a URL that only who knows the secret can write.
SECRET_PARTS: Final = {
    SECURE_LINK: r"md5=(?P<mac>[\w-]+)",
    HOT: r"\.(?P<mac>[\w-]{22})/",
    LEASED: r"/l/\w{16}(?P<mac>\w{24})/",
    COLD: r"\.(?P<mac>[\w-]{22})/",
    UNCACHED: r"\.(?P<mac>[\w-]{22})/",
    ACCEL: r"\.(?P<mac>[\w-]+)$",
    SEND_FILE: r"\.(?P<mac>[\w-]+)$",
    GENERATOR: r"\.(?P<mac>[\w-]+)$",
    SENDFILE2: r":(?P<mac>[\w-]+)$",
    STARLETTE: r"\.(?P<mac>[\w-]+)$",
    RCLONE: r"X-Amz-Signature=(?P<mac>\w+)",
}
NAMES: Final = [BASE, SAME_LOG, *SECRET_PARTS]
SIZES: Final = {"small": 4096, "middling": 300_000}
PLAIN: Final = {"Accept-Encoding": "identity"}


class Field:
    """All of them, running, and what they send."""

    def __init__(self, started: list[Contestant], files: Path) -> None:
        self.by_name = {contestant.name: contestant for contestant in started}
        self.files = files


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    with ExitStack() as stack:
        # Short: a unix socket's path has 107 bytes.
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-"))
        files = Path(name) / "files"
        files.mkdir()
        for size_name, size in SIZES.items():
            (files / f"{size_name}.bin").write_bytes(os.urandom(size))
        yield Field(start_all(stack, Path(name), files, cold=3), files)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size_name", SIZES)
def test_every_contestant_sends_the_file(
    field: Field, name: str, size_name: str
) -> None:
    file = f"{size_name}.bin"
    urls = field.by_name[name].urls(file)
    answers = [requests.get(url, headers=PLAIN, timeout=60) for url in urls]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {(field.files / file).read_bytes()}


def test_no_other_one_is_measured(field: Field) -> None:
    assert set(field.by_name) == {*NAMES, BARE}


def test_a_cold_link_is_another_one_each_time(field: Field) -> None:
    assert len(set(field.by_name[COLD].urls("small.bin"))) == 3


@pytest.mark.parametrize("name", SECRET_PARTS)
def test_a_signature_with_one_letter_changed_opens_nothing(
    field: Field, name: str
) -> None:
    url = field.by_name[name].urls("small.bin")[0]
    found = re.search(SECRET_PARTS[name], url)
    assert found
    place = found.start("mac") + 3
    letter = "a" if url[place] != "a" else "b"
    answer = requests.get(
        f"{url[:place]}{letter}{url[place + 1 :]}", headers=PLAIN, timeout=60
    )
    assert answer.status_code in {403, 404}
