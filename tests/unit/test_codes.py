"""Short links to what the catalog knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gateway.catalog.ids import new_code_id
from gateway.errors import ForgedLinkError, LinkError, MalformedLinkError
from gateway.links import codes
from gateway.links.keyring import Key, KeyRing, Purpose
from gateway.links.restriction import Kind, Restriction
from gateway.links.server_secret import ALPHABET, ServerSecret, Use

if TYPE_CHECKING:
    from collections.abc import Callable

OLD = ServerSecret.generate()
NEW = OLD.rotated()
ID = "0123456789abcdef"
OLD_KEY, NEW_KEY = Key.generate(), Key.generate()
RING = KeyRing((NEW_KEY, OLD_KEY))


def test_a_code_leads_back_to_its_id() -> None:
    """What is minted verifies, and is 40 characters of Crockford's base32."""
    code = codes.mint(NEW, Use.DROP, ID)
    assert codes.verify(NEW, Use.DROP, code) == ID
    assert re.fullmatch("[0-9abcdefghjkmnpqrstvwxyz]{40}", code)


@pytest.mark.parametrize(
    ("use", "mac"),
    [
        (Use.DROP, "mv9m76hvj8ya17db2jgpt816"),
        (Use.SHARE, "vanqy8evqand173dc06h5r4y"),
        (Use.LEASE, "rheqdq1n54gv7y6qenbnf5n0"),
    ],
)
def test_codes_that_were_given_out_stay_good(use: Use, mac: str) -> None:
    """A vector for each use: HMAC-SHA-256, cut to 120 bits, by a key of the use."""
    secret = ServerSecret.parse("0123456789abcdefghijklmnopqrstuv")
    assert codes.mint(secret, use, ID) == f"{ID}{mac}"


def test_the_catalog_s_ids_are_codes_ids() -> None:
    """They are made where nothing is known of codes, and differ."""
    made = {new_code_id() for _ in range(100)}
    assert len(made) == 100
    assert set("".join(made)) <= set(ALPHABET)
    assert {
        codes.verify(NEW, Use.DROP, codes.mint(NEW, Use.DROP, i)) for i in made
    } == (made)


def test_a_code_of_an_older_secret_is_good_until_that_is_forgotten() -> None:
    """Rotation keeps the links that are out there."""
    code = codes.mint(OLD, Use.DROP, ID)
    assert codes.verify(NEW, Use.DROP, code) == ID
    with pytest.raises(ForgedLinkError):
        codes.verify(NEW.rotated(forget=True), Use.DROP, code)


def test_a_code_is_for_its_id_alone() -> None:
    """Another id under the same MAC is forged."""
    code = codes.mint(NEW, Use.DROP, ID)
    with pytest.raises(ForgedLinkError):
        codes.verify(NEW, Use.DROP, f"1{code[1:]}")


def test_a_mac_of_another_use_does_not_verify() -> None:
    """What a browser got with its cookie opens no drop link."""
    with pytest.raises(ForgedLinkError):
        codes.verify(NEW, Use.DROP, ID + NEW.mac(Use.BROWSER, ID))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("{}\n", id="line feed"),
        pytest.param("{}=", id="padding"),
        pytest.param(" {}", id="blank"),
        pytest.param("{}.", id="full stop"),
        pytest.param("{}0", id="longer"),
        pytest.param("\u0660{}", id="other digits"),
    ],
)
def test_only_canonical_text_is_a_code(damage: str) -> None:
    """Lenient decoding must not make many codes of one."""
    code = codes.mint(NEW, Use.DROP, ID)
    with pytest.raises(MalformedLinkError):
        codes.verify(NEW, Use.DROP, damage.format(code))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(str.upper, id="capitals"),
        pytest.param(lambda code: code[:-1], id="cut"),
        pytest.param(lambda code: f"i{code[1:]}", id="i for 1"),
        pytest.param(lambda code: f"o{code[1:]}", id="o for 0"),
    ],
)
def test_a_code_has_one_spelling(other: object) -> None:
    """Crockford's other spellings of a letter are none here."""
    assert callable(other)
    with pytest.raises(MalformedLinkError):
        codes.verify(NEW, Use.DROP, other(codes.mint(NEW, Use.DROP, ID)))


@pytest.mark.parametrize(
    "spelt",
    [
        pytest.param(str, id="as it is"),
        pytest.param(str.upper, id="capitals"),
        pytest.param(lambda code: code.translate({48: "o", 49: "i"}), id="o and i"),
        pytest.param(lambda code: code.translate({48: "O", 49: "l"}), id="O and l"),
        pytest.param(lambda code: code.translate({48: "O", 49: "I"}), id="O and I"),
    ],
)
def test_each_spelling_has_one_canonical_form(spelt: Callable[[str], str]) -> None:
    """Crockford's base32 leaves out the letters that are read for digits."""
    code = codes.mint(NEW, Use.DROP, ID)
    assert codes.canonical(spelt(code)) == code


def test_no_other_character_at_any_place_verifies() -> None:
    """Each of the 40 characters counts."""
    code = codes.mint(NEW, Use.DROP, ID)
    spelled = {
        code[:place] + letter + code[place + 1 :]
        for place in range(len(code))
        for letter in ALPHABET
    }
    assert [text for text in sorted(spelled) if verifies(text)] == [code]


def verifies(code: str) -> bool:
    """Tell whether *code* is good."""
    try:
        codes.verify(NEW, Use.DROP, code)
    except LinkError:
        return False
    return True


# Those that link keys have signed


def earlier(ring: KeyRing, catalog_id: str) -> str:
    """Return such a code of a ring with a key that is not restricted."""
    code = codes.mint_earlier(ring, catalog_id)
    assert code is not None
    return code


def test_an_earlier_code_leads_back_to_its_id() -> None:
    """The form of the time before the server secret."""
    code = earlier(RING, "abc234")
    assert codes.is_earlier(code)
    assert codes.verify_earlier(RING, code) == "abc234"


def test_an_earlier_code_of_an_older_key_is_good_until_that_key_goes() -> None:
    """Rotation keeps the links that are out there."""
    code = earlier(KeyRing((OLD_KEY,)), "abc")
    assert codes.verify_earlier(RING, code) == "abc"
    with pytest.raises(ForgedLinkError):
        codes.verify_earlier(KeyRing((NEW_KEY,)), code)


def test_an_earlier_code_is_signed_by_a_key_that_verifies_it() -> None:
    """Restricted keys sign nothing but URLs: without another one there is no code."""
    restricted = Key.generate(Restriction(only=Kind.FILES))
    code = earlier(KeyRing((restricted, OLD_KEY)), "abc")
    assert codes.verify_earlier(KeyRing((restricted, OLD_KEY)), code) == "abc"
    assert codes.mint_earlier(KeyRing((restricted,)), "abc") is None


def test_an_earlier_code_is_for_its_id_alone() -> None:
    """Another id under the same MAC is forged."""
    mac = earlier(RING, "abc").partition(".")[2]
    with pytest.raises(ForgedLinkError):
        codes.verify_earlier(RING, f"abd.{mac}")


def test_a_mac_of_another_purpose_does_not_verify() -> None:
    """A signed URL's MAC over the same text opens no drop link."""
    mac = RING.mac(Purpose.SIGNED_URL, NEW_KEY.id, b"abc")
    with pytest.raises(ForgedLinkError):
        codes.verify_earlier(RING, f"abc.{mac}")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("{}\n", id="line feed"),
        pytest.param("{}=", id="padding"),
        pytest.param("{}~~~~", id="stray bytes"),
        pytest.param("A{}", id="capital in the id"),
    ],
)
def test_only_canonical_text_is_an_earlier_code(damage: str) -> None:
    """Lenient decoding must not make many codes of one."""
    with pytest.raises(MalformedLinkError):
        codes.verify_earlier(RING, damage.format(earlier(RING, "abc")))
