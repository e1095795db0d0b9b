"""Signed URLs to uploads: the claim, its one text, and the name as the path."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import ClaimsError, MalformedLinkError
from gateway.links import Claims, Key, KeyRing, LinkSigner, signed_url

UPLOAD = "abcdefghijklmnopqrstuvwxy2"
RING = KeyRing((Key("k1", "0123456789abcdefghijklmnopqrstuv"),))
NOON = 1_800_000_000


def claims(**more: object) -> Claims:
    return Claims(key_id="k1", issued=NOON, expires=None, **more)  # type: ignore[arg-type]


def parts(url: str) -> tuple[Claims, str]:
    """Return the verified claims and the path of *url*."""
    token, path = signed_url.split(url)
    return signed_url.verify(RING, token, path).claims, path


def sign(path: str, **more: object) -> str:
    signer = LinkSigner(RING, "https://files.example.com", clock=lambda: NOON)
    return signer.sign(path, expires=timedelta(hours=1), upload=UPLOAD, **more)  # type: ignore[arg-type]


def test_the_claim_comes_last_and_is_read_back() -> None:
    text = f"kk1.e0.i{NOON}.r5.u{UPLOAD}"
    assert str(claims(upload=UPLOAD, rate=5)) == text
    assert Claims.parse(text) == claims(upload=UPLOAD, rate=5)


def test_what_is_no_upload_s_id_makes_no_link() -> None:
    upload = UPLOAD + "\n"
    with pytest.raises(ClaimsError):
        claims(upload=upload)
    with pytest.raises(MalformedLinkError):
        Claims.parse(f"kk1.e0.i{NOON}.u{upload}")


@pytest.mark.parametrize(
    ("name", "path", "claim"),
    [
        pytest.param("a.txt", "a.txt", None, id="plain"),
        pytest.param("Bericht ü%?.pdf", "Bericht ü%?.pdf", None, id="encoded"),
        pytest.param(".profile", "_profile", ".profile", id="hidden"),
    ],
)
def test_a_link_carries_the_name(name: str, path: str, claim: str | None) -> None:
    found, found_path = parts(sign(name))
    assert (found.upload, found_path, found.name) == (UPLOAD, path, claim)


def test_a_name_of_its_own_is_kept() -> None:
    found, path = parts(sign(".profile", name="other"))
    assert (path, found.name) == ("_profile", "other")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("https://files.example.com/", id="no link"),
        pytest.param("https://files.example.com/s/token", id="no path"),
        pytest.param("https://[files/s/token/a", id="no url"),
        pytest.param("/s/token/%ff", id="not UTF-8"),
        pytest.param("https://files.example.com//s/token/a", id="two slashes"),
        pytest.param("https://files.example.com/../s/token/a", id="dot segment"),
        pytest.param("https://www.example.com/media/d/token/a", id="another family"),
        pytest.param("https://www.example.com/%6dedia/s/token/a", id="encoded base"),
    ],
)
def test_what_is_no_signed_url_can_not_be_split(url: str) -> None:
    with pytest.raises(MalformedLinkError):
        signed_url.split(url)


@pytest.mark.parametrize(
    "base",
    ["", "https://files.example.com", "http://[::1]:81/media", "https://a/v1.2/a-b"],
)
@pytest.mark.parametrize("path", ["a", "a/s/b", "s/s/s"])
def test_a_signed_url_is_split_with_any_base(base: str, path: str) -> None:
    """Its token is behind the first segment `s`: no base has one."""
    assert signed_url.split(f"{base}/s/token/{path}") == ("token", path)
