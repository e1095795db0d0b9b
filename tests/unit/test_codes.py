"""Short links to what the catalog knows."""

from __future__ import annotations

import pytest

from gateway.errors import ForgedLinkError, LinkError, MalformedLinkError
from gateway.links import codes
from gateway.links.keyring import Key, KeyRing, Purpose

OLD, NEW = Key.generate(), Key.generate()
RING = KeyRing((NEW, OLD))


def test_a_code_leads_back_to_its_id() -> None:
    """What is minted verifies, and is no longer than a mail's line can take."""
    code = codes.mint(RING, Purpose.DROP, "abc234")
    assert codes.verify(RING, Purpose.DROP, code) == "abc234"
    assert len(codes.mint(RING, Purpose.DROP, "a" * 12)) == 35


def test_a_code_of_an_older_key_is_good_until_that_key_goes() -> None:
    """Rotation keeps the links that are out there."""
    code = codes.mint(KeyRing((OLD,)), Purpose.DROP, "abc")
    assert codes.verify(RING, Purpose.DROP, code) == "abc"
    with pytest.raises(ForgedLinkError):
        codes.verify(KeyRing((NEW,)), Purpose.DROP, code)


def test_a_code_is_for_its_id_alone() -> None:
    """Another id under the same MAC is forged."""
    mac = codes.mint(RING, Purpose.DROP, "abc").partition(".")[2]
    with pytest.raises(ForgedLinkError):
        codes.verify(RING, Purpose.DROP, f"abd.{mac}")


def test_a_mac_of_another_purpose_does_not_verify() -> None:
    """A signed URL's MAC over the same text opens no drop link."""
    mac = RING.mac(Purpose.SIGNED_URL, NEW.id, b"abc")
    with pytest.raises(ForgedLinkError):
        codes.verify(RING, Purpose.DROP, f"abc.{mac}")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("{}\n", id="line feed"),
        pytest.param("{}=", id="padding"),
        pytest.param("{}~~~~", id="stray bytes"),
        pytest.param(" {}", id="blank"),
        pytest.param("{}.", id="full stop"),
        pytest.param("A{}", id="capital in the id"),
        pytest.param("\u0660{}", id="other digits"),
    ],
)
def test_only_canonical_text_is_a_code(damage: str) -> None:
    """Lenient decoding must not make many codes of one."""
    code = codes.mint(RING, Purpose.DROP, "abc")
    with pytest.raises(MalformedLinkError):
        codes.verify(RING, Purpose.DROP, damage.format(code))


def test_the_last_character_can_not_be_another_one() -> None:
    """Its spare bits are none that a decoder may ignore."""
    code = codes.mint(RING, Purpose.DROP, "abc")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [last for last in alphabet if verifies(code[:-1] + last)]
    assert good == [code[-1]]


def verifies(code: str) -> bool:
    """Tell whether *code* is good."""
    try:
        codes.verify(RING, Purpose.DROP, code)
    except LinkError:
        return False
    return True
