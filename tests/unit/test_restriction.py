"""What a key may sign: how that is written, and that both sides hold to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from gateway.errors import BeyondKeyError, ClaimsError, KeyRingError
from gateway.links import Claims, Key, KeyRing, LinkSigner
from gateway.links.keyring import Purpose
from gateway.links.policy import check_key
from gateway.links.restriction import Kind, Restriction
from gateway.links.signed_url import SignedURL, mint, verify

NOON = 1_800_000_000
SECRET = "Yy7Pq2sWm4Zt8Rk1Vb6Nc3Xd9Lf5Jg0HhTq"
UPLOAD = "mzxw6ytboi2gk3tfon2ha4tjn4"
WEEK = 604_800
REPORTS = Restriction(prefixes=("reports/", "a, b:c&d=?/\u00e4/"))
LASTING = Restriction(max_life=WEEK)

EVERY = [
    pytest.param(REPORTS, id="prefixes"),
    pytest.param(LASTING, id="life"),
    pytest.param(Restriction(only=Kind.FILES), id="files"),
    pytest.param(Restriction(only=Kind.UPLOADS, max_life=1), id="uploads"),
    pytest.param(
        Restriction(prefixes=("a/",), max_life=9, only=Kind.FILES, shared=True),
        id="everything",
    ),
]


@pytest.mark.parametrize("restriction", EVERY)
def test_a_restricted_key_is_read_as_it_is_written(restriction: Restriction) -> None:
    """Beside others, whatever a prefix has in it."""
    ring = KeyRing((Key("a", SECRET, restriction), Key.generate()))
    assert KeyRing.parse(str(ring)) == ring


def test_a_key_without_a_restriction_is_written_as_before() -> None:
    """Rings that are out there stay what they are."""
    assert str(Key("a", SECRET)) == f"a:{SECRET}"
    assert KeyRing.parse(f"a:{SECRET}?prefix=x/").newest.restriction is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("prefix=", id="no prefix"),
        pytest.param("prefix=reports", id="no folder"),
        pytest.param("prefix=/", id="a slash"),
        pytest.param("prefix=/reports/", id="absolute"),
        pytest.param("prefix=a/../", id="dots"),
        pytest.param("prefix=a%00/", id="NUL"),
        pytest.param("prefix=%FF/", id="not UTF-8"),
        pytest.param("max-life=0", id="no life"),
        pytest.param("max-life=7d", id="a unit"),
        pytest.param("max-life=1&max-life=2", id="two lives"),
        pytest.param("only=folders", id="unknown kind"),
        pytest.param("shared=yes", id="no restriction"),
        pytest.param("only=files&shared=no", id="shared and not"),
        pytest.param("only=files&shared=yes&shared=yes", id="shared twice"),
        pytest.param("only=uploads&prefix=a/", id="uploads in a folder"),
        pytest.param("networks=10.0.0.0/8", id="unknown field"),
        pytest.param("only=files&networks=10.0.0.0/8", id="a field more"),
        pytest.param("prefix=a/&", id="nothing at the end"),
        pytest.param("reports/", id="no field"),
    ],
)
def test_what_is_not_understood_is_no_key(text: str) -> None:
    """A restriction must never be taken for none, and the secret is not repeated."""
    with pytest.raises(KeyRingError) as caught:
        KeyRing.parse(f"a?{text}:{SECRET}")
    assert str(caught.value).startswith("key 1: its restriction is not of the form")
    assert SECRET not in str(caught.value)


def claims(**chosen: Any) -> Claims:
    usual = {"key_id": "a", "issued": NOON, "expires": NOON + WEEK}
    return Claims(**{**usual, **chosen})


PERMITTED = [
    pytest.param(REPORTS, "reports/q3.pdf", {}, id="a file in the folder"),
    pytest.param(REPORTS, "reports/a/b/c", {}, id="deep in the folder"),
    pytest.param(REPORTS, "reports/", {"depth": 1}, id="the folder"),
    pytest.param(REPORTS, "reports/a/b", {"depth": 2}, id="a folder in it"),
    pytest.param(REPORTS, "a, b:c&d=?/\u00e4/x", {}, id="in the second folder"),
    pytest.param(LASTING, "a", {}, id="just as long"),
    pytest.param(Restriction(only=Kind.FILES), "a", {}, id="a file"),
    pytest.param(Restriction(only=Kind.UPLOADS), "a", {"upload": UPLOAD}, id="upload"),
    pytest.param(
        Restriction(only=Kind.FILES, shared=True), "a", {"shared": True}, id="shared"
    ),
    pytest.param(Restriction(only=Kind.FILES, shared=True), "a", {}, id="not shared"),
    pytest.param(None, "a", {"shared": True}, id="shared by a free key"),
]
FORBIDDEN = [
    pytest.param(REPORTS, "other/q3.pdf", {}, "prefix", id="another folder"),
    pytest.param(REPORTS, "reports2/q3.pdf", {}, "prefix", id="begins alike"),
    pytest.param(REPORTS, "reports", {}, "prefix", id="a file called so"),
    pytest.param(REPORTS, "reports/a", {"depth": 0}, "prefix", id="the whole tree"),
    pytest.param(REPORTS, "", {"depth": 0}, "prefix", id="the root"),
    pytest.param(REPORTS, "a, b:c&d=?/", {"depth": 1}, "prefix", id="above the second"),
    pytest.param(REPORTS, "reports", {"upload": UPLOAD}, "prefix", id="an upload"),
    pytest.param(LASTING, "a", {"expires": None}, "max-life", id="no end"),
    pytest.param(
        LASTING, "a", {"expires": NOON + WEEK + 1}, "max-life", id="a second longer"
    ),
    pytest.param(
        Restriction(only=Kind.FILES), "a", {"upload": UPLOAD}, "only-files", id="upload"
    ),
    pytest.param(Restriction(only=Kind.UPLOADS), "a", {}, "only-uploads", id="a file"),
    pytest.param(
        Restriction(only=Kind.FILES), "a", {"shared": True}, "shared", id="shared"
    ),
    pytest.param(
        Restriction(only=Kind.FILES, shared=True),
        "a",
        {"shared": True, "upload": UPLOAD},
        "only-files",
        id="a shared upload",
    ),
]


@pytest.mark.parametrize(("restriction", "path", "said"), PERMITTED)
def test_what_a_key_may_sign_is_signed_and_verifies(
    restriction: Restriction | None, path: str, said: dict[str, Any]
) -> None:
    """The host and the gateway agree."""
    ring = KeyRing((Key("a", SECRET, restriction),))
    token, _, quoted = mint(ring, claims(**said), path)[3:].partition("/")
    link = verify(ring, token, unquote(quoted))
    assert (link.claims, link.restriction) == (claims(**said), restriction)


@pytest.mark.parametrize(("restriction", "path", "said", "fact"), FORBIDDEN)
def test_what_a_key_may_not_sign_is_refused_on_both_sides(
    restriction: Restriction, path: str, said: dict[str, Any], fact: str
) -> None:
    """The host is told before it hands the link out; the gateway does not trust it."""
    free, bound = (KeyRing((Key("a", SECRET, r),)) for r in (None, restriction))
    token, _, quoted = mint(free, claims(**said), path)[3:].partition("/")
    with pytest.raises(ClaimsError, match="may only sign"):
        mint(bound, claims(**said), path)
    with pytest.raises(BeyondKeyError) as caught:
        verify(bound, token, unquote(quoted))
    assert (caught.value.reason, caught.value.fact) == ("beyond-key", fact)


def test_a_forged_link_is_not_told_of_the_restriction() -> None:
    """Its reason is that nobody has signed it."""
    ring = KeyRing((Key("a", SECRET, REPORTS),))
    mac = KeyRing((Key("a", f"{SECRET}x"),)).mac(Purpose.SIGNED_URL, "a", b"x")
    with pytest.raises(Exception, match=r"^$") as caught:
        verify(ring, f"{claims()}.{mac}", "other")
    assert getattr(caught.value, "reason", "") == "forged"


@pytest.mark.parametrize(
    ("restriction", "ahead", "is_refused"),
    [
        pytest.param(LASTING, 60, False, id="a clock that is ahead"),
        pytest.param(LASTING, 61, True, id="for later"),
        pytest.param(REPORTS, 61, False, id="no life"),
        pytest.param(None, 61, False, id="no restriction"),
    ],
)
def test_a_key_with_a_life_signs_nothing_for_later(
    restriction: Restriction | None,
    ahead: int,
    is_refused: bool,  # noqa: FBT001
) -> None:
    """A leaked key must not have made links that open one after another."""
    link = SignedURL(claims(), "m", restriction)
    assert refuses(link, now=NOON - ahead) is is_refused


def refuses(link: SignedURL, *, now: int) -> bool:
    """Tell whether it is refused for its key."""
    try:
        check_key(link, now=now)
    except BeyondKeyError:
        return True
    return False


def test_a_restricted_key_signs_only_where_there_is_no_other() -> None:
    """A key on the gateway's ring that is meant for a host signs nothing there."""
    bound, free, older = Key("a", SECRET, REPORTS), Key("b", SECRET), Key("c", SECRET)
    assert KeyRing((bound, free, older)).newest == free
    assert KeyRing((bound,)).newest == bound


def test_a_site_s_signer_says_what_its_key_may_not_sign() -> None:
    """The error names the key and its restriction, and no secret."""
    key = Key("a", SECRET, Restriction(prefixes=("reports/",), max_life=WEEK))
    signer = LinkSigner(str(key), "https://files.example.com", clock=lambda: NOON)
    assert "/reports/q3.pdf" in signer.sign("reports/q3.pdf", expires=timedelta(days=7))
    with pytest.raises(ClaimsError) as caught:
        signer.sign("q3.pdf", expires=timedelta(days=7))
    assert str(caught.value) == (
        "the key a may only sign prefix=reports/&max-life=604800"
    )


def test_a_site_s_signer_says_that_its_key_may_sign_no_shared_links() -> None:
    """The restriction alone would not tell: it names what is permitted."""
    key = Key("a", SECRET, Restriction(only=Kind.FILES))
    signer = LinkSigner(str(key), "https://files.example.com", clock=lambda: NOON)
    with pytest.raises(ClaimsError) as caught:
        signer.sign("a", expires=timedelta(days=7), shared=True)
    assert str(caught.value) == (
        "the key a may only sign only=files, and no shared links"
    )
