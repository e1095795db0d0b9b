"""What a signed URL permits, and the one text that says so."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ClaimsError, MalformedLinkError
from gateway.links.claims import (
    MAXIMUM_NUMBER,
    MAXIMUM_TEXT,
    Claims,
    Presentation,
)
from tests.unit.permits import valid_claims

if TYPE_CHECKING:
    from gateway.links.texts import Network

NOON = 1_800_000_000
LEAST: dict[str, Any] = {"key_id": "k1", "issued": NOON, "expires": NOON + 60}


def pack(text: str | bytes) -> str:
    """Return *text* as a token carries it: base64url without padding."""
    raw = text.encode() if isinstance(text, str) else text
    return urlsafe_b64encode(raw).decode().rstrip("=")


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


@given(valid_claims())
def test_any_claims_come_back_from_their_text(claims: Claims) -> None:
    """Writing and reading lose nothing."""
    assert Claims.parse(str(claims)) == claims


@given(valid_claims())
def test_a_text_is_safe_in_a_url_and_in_mail(claims: Claims) -> None:
    """Nothing in it is encoded by a browser or damaged by a linkifier."""
    text = str(claims)
    assert text.isascii()
    assert set("./?#%&+=~ ,:") & set(text) <= {"."}


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        pytest.param({}, "kk1.e1800000060.i1800000000", id="least"),
        pytest.param(
            {
                "not_before": NOON - 1,
                "presentation": Presentation.INLINE,
                "name": "a",
                "rate": 9,
                "networks": networks("::/0"),
            },
            f"kk1.a{pack('::/0')}.b1799999999.e1800000060.i1800000000.nYQ.pi.r9",
            id="all-in-their-order",
        ),
        pytest.param(
            {"rate": 9, "shared": True, "upload": "a" * 26},
            f"kk1.e1800000060.i1800000000.r9.s1.u{'a' * 26}",
            id="all-of-a-shared-upload",
        ),
    ],
)
def test_claims_have_this_text(claims: dict[str, Any], text: str) -> None:
    """The grammar of docs/links.md, claim by claim."""
    assert str(Claims(**LEAST | claims)) == text
    assert Claims.parse(text) == Claims(**LEAST | claims)


def test_an_expiry_is_never_left_out_by_accident() -> None:
    """A link that lives for ever has to be asked for."""
    with pytest.raises(TypeError, match="expires"):
        Claims(key_id="k1", issued=NOON)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        pytest.param({"key_id": ""}, "key id", id="no-key-id"),
        pytest.param({"key_id": "a" * 17}, "key id", id="long-key-id"),
        pytest.param({"key_id": "a.b"}, "key id", id="key-id-with-a-dot"),
        pytest.param({"key_id": "a\n"}, "key id", id="key-id-with-a-line-break"),
        pytest.param({"expires": 0}, "time", id="expires-at-zero"),
        pytest.param({"expires": NOON}, "after it is issued", id="expires-at-once"),
        pytest.param(
            {"not_before": NOON + 60}, "before it expires", id="begins-at-its-end"
        ),
        pytest.param({"depth": -1}, "depth", id="negative-depth"),
        pytest.param({"depth": 1, "name": "a"}, "not a folder", id="name-of-a-folder"),
        pytest.param({"name": "a/b"}, "name has", id="name-with-a-slash"),
        pytest.param({"name": "a\ud800"}, "name has", id="name-with-a-surrogate"),
        pytest.param({"rate": 0}, "rate", id="rate-of-zero"),
        pytest.param({"rate": 1.5}, "rate", id="rate-with-a-fraction"),
        pytest.param({"rate": True}, "rate", id="rate-that-is-a-truth"),
        pytest.param({"rate": "9"}, "rate", id="rate-that-is-a-text"),
        pytest.param({"depth": False}, "depth", id="depth-that-is-a-truth"),
        pytest.param({"issued": None}, "time", id="issued-never"),
        pytest.param({"expires": NOON + 60.0}, "time", id="expires-between-seconds"),
        pytest.param({"expires": "never"}, "time", id="expires-in-words"),
        pytest.param({"key_id": 1}, "key id", id="key-id-that-is-a-number"),
        pytest.param({"name": b"a"}, "name has", id="name-in-bytes"),
        pytest.param({"presentation": "inline"}, "presentation", id="a-plain-text"),
        pytest.param(
            {"networks": ("10.0.0.0/8",)}, "not a network", id="network-as-text"
        ),
        pytest.param(
            {"networks": networks("::ffff:192.0.2.0/120")}, "mapped", id="mapped"
        ),
        pytest.param(
            {"networks": networks("fe80::%eth0/64")}, "zone", id="network-with-a-zone"
        ),
        pytest.param(
            {"networks": networks("10.0.0.0/8") * 17}, "at most 16", id="17-networks"
        ),
        pytest.param({"shared": 1}, "not 1", id="shared-that-is-a-number"),
        pytest.param({"shared": None}, "not None", id="shared-that-is-nothing"),
        pytest.param(
            {"shared": True, "networks": networks("10.0.0.0/8")},
            "can't be shared",
            id="shared-with-networks",
        ),
    ],
)
def test_claims_that_make_no_sense_are_refused(
    claims: dict[str, Any], words: str
) -> None:
    """The minter is told why, before a dead link goes out."""
    with pytest.raises(ClaimsError, match=words):
        Claims(**LEAST | claims)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"not_before": NOON - 9}, id="begun-before-it-was-issued"),
        pytest.param({"depth": MAXIMUM_NUMBER}, id="greatest-depth"),
    ],
)
def test_the_bounds_themselves_are_permitted(claims: dict[str, Any]) -> None:
    """Each limit is on the permitted side, minted and read."""
    made = Claims(**LEAST | claims)
    assert Claims.parse(str(made)) == made


def test_claims_that_no_gateway_would_read_are_not_made() -> None:
    """A name and networks that fit each by itself can be too long together."""
    many = networks(
        *(f"2001:db8:1111:2222:3333:4444:5555:{n:x}" for n in range(0x1000, 0x1010))
    )
    with pytest.raises(ClaimsError, match=str(MAXIMUM_TEXT)):
        Claims(**LEAST | {"name": "n" * 255, "networks": many})
    assert len(str(Claims(**LEAST | {"networks": many}))) <= MAXIMUM_TEXT


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(".", id="a-dot"),
        pytest.param("kk1", id="key-id-alone"),
        pytest.param("e2.i1.kk1", id="key-id-last"),
        pytest.param("kk1.e2.i1.r5.", id="dot-at-the-end"),
        pytest.param(".kk1.e2.i1", id="dot-at-the-start"),
        pytest.param("kk1.e2.i1.x", id="unknown-field"),
        pytest.param("k.e2.i1", id="empty-key-id"),
        pytest.param("kk1.b.e2.i1", id="empty-beginning"),
        pytest.param("kk1.e-2.i1", id="minus-sign"),
        pytest.param("kk1.e 2.i1", id="blank"),
        pytest.param("kk1.e2.i1\n", id="line-feed-at-the-end"),
        pytest.param("kk1.e1_000.i1", id="python-number"),
        pytest.param("kk1.e" + "9" * 5000 + ".i1", id="endless-digits"),
        pytest.param("kk1.e2.i1.pI", id="upper-case-presentation"),
        pytest.param("kk1.e2.i1.p", id="empty-presentation"),
        pytest.param("kk1.e2.i1.s", id="shared-without-a-value"),
        pytest.param("kk1.e2.i1.s0", id="shared-and-not"),
        pytest.param("kk1.e2.i1.s1.r5", id="shared-before-the-rate"),
        pytest.param(f"kk1.a{pack('10.0.0.0/8')}.e2.i1.s1", id="shared-with-networks"),
        pytest.param("kk1.e2.i1.nY", id="name-cut-within-a-byte"),
        pytest.param("kk1.e2.i1.nY~Q", id="stray-byte-in-a-name"),
        pytest.param("kk1.e2.i1.n" + pack(b"\xed\xa0\x80"), id="name-of-a-surrogate"),
        pytest.param("kk1.e2.i1.n\u00e4", id="name-not-ascii"),
        pytest.param("kk1.a.e2.i1", id="no-network"),
        pytest.param(f"kk1.a{pack('here')}.e2.i1", id="no-address"),
    ],
)
def test_another_text_is_malformed(text: str) -> None:
    """What no signer writes, no gateway reads."""
    with pytest.raises(MalformedLinkError):
        Claims.parse(text)


def test_a_text_that_is_too_long_is_refused_unread() -> None:
    """A flood of fields costs nothing: the length is looked at first."""
    with pytest.raises(MalformedLinkError) as caught:
        Claims.parse("z." * (MAXIMUM_TEXT // 2) + "z")
    assert caught.value.fact == "too-long"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("", id="anything"),
        pytest.param("k", id="as-key-id"),
        pytest.param("kk1.e2.i1.", id="as-field"),
        pytest.param("kk1.e2.i1.n", id="as-name"),
        pytest.param("kk1.e2.i1.r", id="as-rate"),
    ],
)
@given(text=st.text())
def test_any_text_is_canonical_or_malformed(start: str, text: str) -> None:
    """Input from outside raises nothing else, and is never merely understood."""
    assert str(reading(start + text) or start + text) == start + text


@given(valid_claims(), st.data())
def test_no_two_texts_say_the_same(claims: Claims, data: st.DataObject) -> None:
    """A changed character gives other claims or none, never the same again."""
    text = str(claims)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    assert reading(changed) != claims


def reading(text: str) -> Claims | None:
    """Return the claims that *text* says, or None."""
    try:
        return Claims.parse(text)
    except MalformedLinkError:
        return None
