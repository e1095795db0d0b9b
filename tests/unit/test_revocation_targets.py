"""What a request comes under, and what may be named to take it back."""

from __future__ import annotations

import pytest

from gateway.delivery import revocation_targets
from gateway.errors import RevocationError
from gateway.links import Claims, Key, KeyRing
from gateway.links.signed_url import SignedURL, mint

RING = KeyRing((Key.generate(),))
UPLOAD = "abcdefghijklmnopqrstuvwxy2"


def claims(**more: object) -> Claims:
    return Claims(key_id=RING.newest.id, issued=1, expires=None, **more)  # type: ignore[arg-type]


FOLDER = SignedURL(claims(depth=1), "mac")


@pytest.mark.parametrize(
    ("path", "is_ended"),
    [
        pytest.param("d/e/f.txt", True, id="the file"),
        pytest.param("d/e", True, id="its folder"),
        pytest.param("d/e/", True, id="its folder with a slash"),
        pytest.param("d", True, id="the covered folder"),
        pytest.param("", True, id="everything"),
        pytest.param("d/e/g.txt", False, id="a file beside it"),
        pytest.param("d/e/f", False, id="a part of a name"),
        pytest.param("D", False, id="another case"),
        pytest.param("e/f.txt", False, id="the end of a path"),
    ],
)
def test_a_folder_link_is_ended_where_the_path_is_taken_back(
    path: str, *, is_ended: bool
) -> None:
    asked = revocation_targets.of_request(FOLDER, "d/e/f.txt")
    assert (revocation_targets.of_path(path) in asked) is is_ended


def test_a_link_to_an_upload_comes_under_no_path_but_everything() -> None:
    asked = revocation_targets.of_request(
        SignedURL(claims(upload=UPLOAD), "mac"), "a.txt"
    )
    assert revocation_targets.of_path("a.txt") not in asked
    assert revocation_targets.of_path("") in asked


def test_a_link_comes_under_itself_and_its_key() -> None:
    asked = revocation_targets.of_request(FOLDER, "d/a.txt")
    assert {"url:mac", revocation_targets.of_key(RING, RING.newest.id)} <= set(asked)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../a", id="outside"),
        pytest.param("/a", id="absolute"),
        pytest.param("/", id="a slash"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("a/" * 2050 + "a", id="too long"),
    ],
)
def test_no_link_leads_to_such_a_path(path: str) -> None:
    with pytest.raises(RevocationError, match="no link leads"):
        revocation_targets.of_path(path)


def test_a_key_that_is_not_on_the_ring_has_signed_nothing() -> None:
    with pytest.raises(RevocationError, match="'other'"):
        revocation_targets.of_key(RING, "other")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("", "malformed", id="empty"),
        pytest.param("https://[x/s/a/b", "malformed", id="broken"),
        pytest.param(mint(RING, claims(), "a")[:-1] + "b", "forged", id="forged"),
    ],
)
def test_a_url_that_opens_nothing_can_not_be_taken_back(url: str, reason: str) -> None:
    with pytest.raises(RevocationError, match=reason):
        revocation_targets.verified(RING, url)
