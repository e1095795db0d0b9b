"""Where the gateway listens, and what it leaves of that for ``gateway sign``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config.address import (
    check_free,
    local_url,
    record_files,
    record_url,
    recorded_files,
    recorded_url,
)
from gateway.errors import SuperviseError
from gateway.storage.places import Places
from tests.live.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_the_address_that_was_left_last_is_read(tmp_path: Path) -> None:
    """A gateway that has moved leaves its new address in place of the old."""
    record_url(tmp_path, "http://127.0.0.1:8080/with/a/long/one")
    record_url(tmp_path, "http://127.0.0.1:8081")
    assert recorded_url(tmp_path) == "http://127.0.0.1:8081"


def test_without_a_data_folder_there_is_no_address(tmp_path: Path) -> None:
    """Where no gateway has run there is none, and that is no fault."""
    assert recorded_url(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="line-end"),
        pytest.param(b"\xff\xfe", id="not-UTF-8"),
    ],
)
def test_a_damaged_file_is_no_address(tmp_path: Path, content: bytes) -> None:
    """A machine that lost power must not make links that begin with nothing."""
    (tmp_path / "url").write_bytes(content)
    assert recorded_url(tmp_path) is None


@pytest.mark.parametrize(
    ("address", "url"),
    [
        pytest.param(("127.0.0.1", 8080), "http://127.0.0.1:8080", id="IPv4"),
        pytest.param(("0.0.0.0", 8080), "http://127.0.0.1:8080", id="any-IPv4"),  # noqa: S104
        pytest.param(("2001:db8::1", 80), "http://[2001:db8::1]:80", id="IPv6"),
        pytest.param(("::", 8080), "http://[::1]:8080", id="any-IPv6"),
        pytest.param(("localhost", 8080), "http://localhost:8080", id="name"),
    ],
)
def test_the_url_of_an_address_leads_there_from_here(
    address: tuple[str, int], url: str
) -> None:
    """The address for any is none that a client could ask for, or that is answered."""
    assert local_url(address) == url


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param(("192.0.2.1", 0), "can't listen on 192.0.2.1:0: ", id="foreign"),
        pytest.param(
            ("2001:db8::1", 0), "can't listen on [2001:db8::1]:0: ", id="IPv6"
        ),
        pytest.param(
            ("host.invalid", 8080), "can't listen on host.invalid:8080: ", id="unknown"
        ),
    ],
)
def test_an_address_that_can_not_be_taken_is_said_in_words(
    address: tuple[str, int], words: str
) -> None:
    """Better before the start than in nginx's words after it."""
    with pytest.raises(SuperviseError) as caught:
        check_free(address)
    assert str(caught.value).startswith(words)
    assert "None" not in str(caught.value)


def test_a_free_address_is_fine_and_stays_free() -> None:
    """The check leaves nothing behind that would keep nginx from listening."""
    address = ("127.0.0.1", free_port())
    check_free(address)
    check_free(address)


def test_the_folder_that_is_served_is_recorded_anew_at_each_start(
    tmp_path: Path,
) -> None:
    """Commands beside the gateway need no GATEWAY_FILES of their own."""
    assert recorded_files(tmp_path) is None
    record_files(tmp_path, Places.parse("/srv/a-longer-name"))
    record_files(tmp_path, Places.parse("/srv/files"))
    assert recorded_files(tmp_path) == Places.parse("/srv/files")
