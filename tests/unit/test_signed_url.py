"""Signed URLs: what is covered, what is refused, and how it is written."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ClaimsError,
    ForgedLinkError,
    LinkError,
    MalformedLinkError,
    UnknownKeyError,
)
from gateway.links.claims import Claims
from gateway.links.keyring import Key, KeyRing
from gateway.links.signed_url import PREFIX, SignedURL, mint, verify
from tests.unit.permits import valid_claims

OLD = Key("old", "Yy7Pq2sWm4Zt8Rk1Vb6Nc3Xd9Lf5Jg0HhTq")
NEW = Key("new", "uP3xK8dQ1vR6nB9mT4wY7zC2fL5hJ0gSaEiO")
RING = KeyRing((NEW, OLD))
NOON = 1_800_000_000

SEGMENTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=20
).filter(lambda segment: segment not in {".", ".."})
PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)


def claim(**claims: Any) -> Claims:
    return Claims(**{"key_id": "new", "issued": NOON, "expires": None, **claims})


def split(url: str) -> tuple[str, str]:
    """Return token and decoded path of a URL, as the gateway gets them."""
    token, _, path = url.removeprefix(PREFIX).partition("/")
    return token, unquote(path)


def token_of(path: str, **claims: Any) -> str:
    return split(mint(RING, claim(**claims), path))[0]


def is_good(token: str, path: str) -> bool:
    """Tell whether the signature holds."""
    try:
        verify(RING, token, path)
    except LinkError:
        return False
    return True


@given(
    valid_claims(
        st.sampled_from(["new", "old"]), st.none() | st.integers(0, 9), st.none()
    ),
    PATHS,
)
def test_whatever_is_minted_verifies_and_says_the_same(
    claims: Claims, path: str
) -> None:
    """Minting, encoding, decoding and verifying lose nothing."""
    deep = "folder/" * (claims.depth or 0) + path
    token, asked = split(mint(RING, claims, deep))
    assert verify(RING, token, asked) == SignedURL(claims, token.rpartition(".")[2])
    assert asked == deep


@given(PATHS)
def test_a_url_has_nothing_that_mail_damages(path: str) -> None:
    """Everything but plain characters is percent-encoded."""
    plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%"
    assert set(mint(RING, claim(), path)) <= set(plain)


def test_a_url_is_written_like_this() -> None:
    """The form of docs/links.md, with one of its characters of every kind."""
    url = mint(RING, claim(), "a b/\u00e4'()&?#%+~._-.txt")
    token, path = url.removeprefix("/s/").split("/", 1)
    assert token.rpartition(".")[0] == "knew.e0.i1800000000"
    assert path == "a%20b/%C3%A4%27%28%29%26%3F%23%25%2B~._-.txt"


@given(PATHS, PATHS)
def test_an_exact_link_covers_its_path_alone(path: str, other: str) -> None:
    """Any other path is forged."""
    token = token_of(path)
    assert is_good(token, path)
    assert is_good(token, other) == (other == path)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("reports/q3.pdf/", id="slash-after"),
        pytest.param("reports/x/../q3.pdf", id="dot-dot-segment"),
        pytest.param("Reports/q3.pdf", id="upper-case"),
        pytest.param("reports%2Fq3.pdf", id="encoded-twice"),
        pytest.param("reports/q3.pd\udcff", id="not-unicode"),
    ],
)
def test_a_path_that_is_spelled_otherwise_is_another_path(other: str) -> None:
    """The path is covered byte by byte, without any normalization."""
    with pytest.raises(ForgedLinkError):
        verify(RING, token_of("reports/q3.pdf"), other)


def test_composed_and_decomposed_letters_are_two_paths() -> None:
    """Names are compared as they are on disk, not as they look."""
    token = token_of("caf\u00e9.txt")
    assert is_good(token, "caf\u00e9.txt")
    assert not is_good(token, "cafe\u0301.txt")


@pytest.mark.parametrize(
    ("depth", "path"),
    [
        pytest.param(1, "videos/other/seg1.ts", id="a-sibling-of-a-shallow-folder"),
        pytest.param(0, "", id="whole-tree-itself"),
    ],
)
def test_a_folder_link_covers_what_lies_below(depth: int, path: str) -> None:
    """One token serves every file in the folder, at any depth."""
    assert is_good(token_of("videos/intro/index.m3u8", depth=depth), path)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("videos/", id="its-parent"),
        pytest.param("x/videos/intro/seg1.ts", id="deeper"),
        pytest.param("videos//intro/seg1.ts", id="two-slashes"),
        pytest.param("videos/intro", id="a-file-of-its-name"),
        pytest.param("videosin/tro/seg1.ts", id="a-slash-elsewhere"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_folder_link_covers_nothing_else(path: str) -> None:
    """Names that begin alike and folders above stay closed."""
    with pytest.raises(ForgedLinkError):
        verify(RING, token_of("videos/intro/", depth=2), path)


def test_all_paths_of_a_folder_give_one_token() -> None:
    """A player that signs the play list has signed the segments."""
    tokens = {token_of(f"videos/intro/{n}.ts", depth=2) for n in range(3)}
    assert tokens == {token_of("videos/intro/", depth=2)}


def test_a_folder_link_is_no_link_to_a_file_of_that_text() -> None:
    """The depth is covered: taking it out of the claims breaks the signature."""
    folder = token_of("videos/intro/", depth=2)
    assert not is_good(folder.replace(".d2", ""), "videos/intro/")
    assert not is_good(folder.replace(".d2", ".d1"), "videos/intro/")


@pytest.mark.parametrize(
    ("claims", "path"),
    [
        pytest.param({}, "a\x00b", id="nul"),
        pytest.param({}, "a\ud800", id="surrogate"),
        pytest.param({"depth": 1}, "a", id="folder-without-its-slash"),
    ],
)
def test_a_path_that_nobody_could_ask_for_is_not_signed(
    claims: dict[str, Any], path: str
) -> None:
    """The minter is told, before a dead link goes out."""
    with pytest.raises(ClaimsError):
        mint(RING, claim(**claims), path)


def test_a_key_that_is_not_on_the_ring_does_not_mint() -> None:
    """Claims name their key, and no other one steps in."""
    with pytest.raises(UnknownKeyError):
        mint(KeyRing((NEW,)), claim(key_id="old"), "a.txt")


def test_a_retired_key_refuses_its_links() -> None:
    """Taking a key off the ring ends every link that it signed."""
    token = token_of("a.txt", key_id="old")
    assert verify(RING, token, "a.txt").claims.key_id == "old"
    with pytest.raises(UnknownKeyError):
        verify(KeyRing((NEW,)), token, "a.txt")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(".aMTAuMC4wLjAvOA.", ".", id="networks-taken-out"),
        pytest.param("e1800003600", "e0", id="no-expiry"),
        pytest.param(".r1000", ".r9000", id="rate"),
    ],
)
def test_no_claim_can_be_changed(old: str, new: str) -> None:
    """The signature covers every claim."""
    token = (
        mint(
            RING,
            Claims.parse(
                "knew.aMTAuMC4wLjAvOA.b1800000000.e1800003600.i1800000000.nYQ.pa.r1000"
            ),
            "a.txt",
        )
        .removeprefix(PREFIX)
        .partition("/")[0]
    )
    changed = token.replace(old, new)
    assert is_good(token, "a.txt")
    assert changed != token
    with pytest.raises(ForgedLinkError):
        verify(RING, changed, "a.txt")


def test_a_boundary_between_claims_and_path_can_not_be_moved() -> None:
    """What was signed as a path is never read as a claim."""
    token = token_of("x.r9/a.txt")
    claims, mac = token.rsplit(".", 1)
    assert not is_good(f"{claims}.r9.{mac}", "a.txt")
    assert not is_good(f"{claims}.{mac}", "a.txt")


@given(PATHS, st.data())
def test_no_other_text_of_a_token_verifies(path: str, data: st.DataObject) -> None:
    """Whatever one character is changed into, the link is refused."""
    token = token_of(path, name="a.pdf", rate=1000)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[place]))
    assert not is_good(token[:place] + other + token[place + 1 :], path)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("\x00\x00.\x00", id="nul"),
        pytest.param("\udcff.\udcff", id="undecoded-bytes"),
        pytest.param("." * 10_000, id="dots"),
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    """Text of another form is refused before any key is looked up."""
    with pytest.raises(MalformedLinkError):
        verify(RING, token, "a.txt")


@given(st.text(), st.text())
def test_any_token_and_path_is_a_link_error(token: str, path: str) -> None:
    """Input from outside raises nothing that would be a 5xx."""
    assert not is_good(token, path)
    assert not is_good(f"knew.e0.i1.{token}", path)
