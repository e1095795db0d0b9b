"""Signing keys: how their text is read, and what a MAC of theirs is worth."""

from __future__ import annotations

import hashlib
import hmac
import string
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import KeyRingError, UnknownKeyError
from gateway.links.keyring import MINIMUM_SECRET_BYTES, Key, KeyRing, Purpose

OLD = Key("old", "Yy7Pq2sWm4Zt8Rk1Vb6Nc3Xd9Lf5Jg0HhTq")
NEW = Key("new", "uP3xK8dQ1vR6nB9mT4wY7zC2fL5hJ0gSaEiO")
BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def faults(text: str) -> list[str]:
    """Return what is wrong with a key ring's text."""
    with pytest.raises(KeyRingError) as caught:
        KeyRing.parse(text)
    return caught.value.faults


def test_keys_keep_their_order_ids_and_secrets() -> None:
    """The text's first key is the newest, whatever its id is."""
    ring = KeyRing.parse(f"{NEW},{OLD}")
    assert (ring.keys, ring.newest) == ((NEW, OLD), NEW)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{NEW},{OLD}", id="comma"),
        pytest.param(f"{NEW}\n{OLD}\n", id="lines"),
        pytest.param(f"{NEW}\r\n{OLD}\r\n", id="dos-lines"),
        pytest.param(f"  {NEW} ,\t{OLD},,", id="blanks-and-empty-entries"),
    ],
)
def test_keys_are_separated_by_commas_and_white_space(text: str) -> None:
    """A ring from a variable and a ring from a file read the same."""
    assert KeyRing.parse(text) == KeyRing((NEW, OLD))


def test_a_ring_is_written_as_it_is_read() -> None:
    """The ring's text makes the same ring again."""
    ring = KeyRing((NEW, OLD))
    assert KeyRing.parse(str(ring)) == ring


def test_a_secret_may_contain_colons() -> None:
    """Only the first colon ends the id."""
    assert KeyRing.parse(f"a:{NEW.secret}:x").newest == Key("a", f"{NEW.secret}:x")


@pytest.mark.parametrize(
    "key_id",
    [
        pytest.param("a", id="one-letter"),
        pytest.param("ABCdef-_01234567", id="sixteen-of-every-kind"),
    ],
)
def test_an_id_has_1_to_16_plain_characters(key_id: str) -> None:
    """Ids of every permitted character and length are taken."""
    assert KeyRing.parse(f"{key_id}:{NEW.secret}").newest.id == key_id


@pytest.mark.parametrize(
    "key_id",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 17, id="seventeen"),
        pytest.param("a.b", id="dot"),
        pytest.param("\u00e4", id="not-ascii"),
        pytest.param("\u0663", id="foreign-digit"),
    ],
)
def test_another_id_is_refused(key_id: str) -> None:
    """An id that a token could not carry is a fault that says the rule."""
    assert faults(f"{key_id}:{NEW.secret}") == [
        "key 1: its id must be 1 to 16 letters, digits, '-' or '_'"
    ]


def test_a_secret_of_32_bytes_is_long_enough() -> None:
    """The least length is permitted itself."""
    secret = NEW.secret[:MINIMUM_SECRET_BYTES]
    assert KeyRing.parse(f"a:{secret}").newest.secret == secret


@pytest.mark.parametrize(
    ("secret", "length"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param(NEW.secret[: MINIMUM_SECRET_BYTES - 1], 31, id="one-byte-less"),
    ],
)
def test_a_short_secret_is_refused(secret: str, length: int) -> None:
    """The fault tells the length, the least one, and never the secret."""
    assert faults(f"a:{secret}") == [
        f"key 1: its secret has {length} bytes, the minimum is 32"
    ]


def test_a_secret_is_measured_in_bytes() -> None:
    """Letters beyond ASCII count for what they are in UTF-8."""
    secret = "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8\u00ea\u00eb\u00ef\u00ee\u00ec\u00ed"
    assert KeyRing.parse(f"a:{secret}{secret[:4]}").newest.secret[:12] == secret
    assert "24 bytes" in faults(f"a:{secret}")[0]


def test_a_secret_that_is_not_text_is_refused() -> None:
    """Bytes that the environment could not decode are a fault, not a traceback."""
    assert faults("a:" + "\udcff" * 40) == ["key 1: its secret is not UTF-8"]


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("change-me-change-me-change-me-0123456789", id="change-me"),
        pytest.param("ChangeMe0123456789ChangeMe0123456789", id="ChangeMe"),
        pytest.param("this-is-an-example-secret-0123456789", id="example"),
        pytest.param("your-secret-here-0123456789-abcdefgh", id="your-secret"),
        pytest.param("your_key_0123456789_abcdefghijklmnop", id="your-key"),
        pytest.param("SECRET_KEY_0123456789_ABCDEFGHIJKLMN", id="SECRET_KEY"),
        pytest.param("replace-this-0123456789-abcdefghijkl", id="replace"),
        pytest.param("<insert-random-0123456789-text-here>", id="insert"),
        pytest.param("placeholder-0123456789-abcdefghijklm", id="placeholder"),
        pytest.param("x" * 64, id="one-letter"),
        pytest.param("0123456780" * 4, id="nine-distinct-letters"),
    ],
)
def test_an_example_is_refused(secret: str) -> None:
    """What was copied from a page is known to all who read the page."""
    assert faults(f"a:{secret}") == [
        "key 1: its secret is an example; generate one with: gateway keys new"
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(",,", id="commas"),
    ],
)
def test_no_key_is_refused(text: str) -> None:
    """A gateway without a key does not start."""
    assert faults(text) == ["there is no key"]


def test_a_repeated_id_is_refused() -> None:
    """Which of the two would verify could not be told."""
    assert faults(f"{NEW},new:{OLD.secret}") == ["key id 'new' is used twice"]


def test_every_fault_is_reported_at_once() -> None:
    """An operator mends a ring in one go."""
    assert [fault[:9] for fault in faults(f"nocolon,a.b:short,{NEW},{NEW}")] == [
        "key 1 is ",
        "key 2: it",
        "key 2: it",
        "key id 'n",
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(NEW.secret, id="no-id"),
        pytest.param(f"a:{NEW.secret[:31]}", id="short"),
        pytest.param(f"{NEW.secret}:a", id="in-the-place-of-the-id"),
        pytest.param(f"{NEW.secret}:a,{NEW.secret}:b", id="twice-in-that-place"),
    ],
)
def test_a_fault_never_shows_a_secret(text: str) -> None:
    """Whatever was mixed up, the secret does not reach the log."""
    with pytest.raises(KeyRingError) as caught:
        KeyRing.parse(text)
    assert NEW.secret[:31] not in str(caught.value)


def test_a_ring_never_shows_a_secret() -> None:
    """What a debugger or a traceback prints has the ids alone."""
    ring = KeyRing((NEW, OLD))
    assert NEW.id in repr(ring)
    assert NEW.secret not in repr(ring)


def test_generated_keys_are_good_and_differ() -> None:
    """What ``gateway keys new`` makes, the ring takes."""
    keys = tuple(Key.generate() for _ in range(20))
    assert KeyRing.parse(str(KeyRing(keys))).keys == keys
    assert len({key.secret for key in keys}) == len(keys)


def test_a_mac_is_the_one_of_the_specification() -> None:
    """HMAC-SHA-256 under the salted key, cut to 16 bytes, as docs/links.md says."""
    derived = hmac.digest(NEW.secret.encode(), b"accel-gateway.signed-url.1", "sha256")
    cut = hmac.digest(derived, b"message", hashlib.sha256)[:16]
    mac = KeyRing((NEW,)).mac(Purpose.SIGNED_URL, "new", b"message")
    assert mac == urlsafe_b64encode(cut).decode().rstrip("=")


@given(st.binary(), st.sampled_from([OLD, NEW]))
def test_every_key_on_the_ring_verifies_what_it_signed(
    message: bytes, key: Key
) -> None:
    """Rotation: links of the older key live on beside the new one's."""
    mac = KeyRing((key,)).mac(Purpose.SIGNED_URL, key.id, message)
    assert KeyRing((NEW, OLD)).verifies(Purpose.SIGNED_URL, key.id, message, mac)


def test_a_retired_key_refuses() -> None:
    """A key that was taken off can't be told from one that never was."""
    mac = KeyRing((OLD,)).mac(Purpose.SIGNED_URL, OLD.id, b"m")
    with pytest.raises(UnknownKeyError) as caught:
        KeyRing((NEW,)).verifies(Purpose.SIGNED_URL, OLD.id, b"m", mac)
    assert caught.value.key_id == OLD.id


def test_a_key_that_is_not_there_does_not_sign() -> None:
    """A MAC is never made under some other key instead."""
    with pytest.raises(UnknownKeyError):
        KeyRing((NEW,)).mac(Purpose.SIGNED_URL, OLD.id, b"m")


@pytest.mark.parametrize(
    ("key_id", "secret", "message"),
    [
        pytest.param(NEW.id, NEW.secret, b"m2", id="another-message"),
        pytest.param(OLD.id, OLD.secret, b"m", id="another-key"),
        pytest.param(NEW.id, OLD.secret, b"m", id="another-secret-of-the-same-id"),
    ],
)
def test_a_mac_fits_one_message_and_one_key(
    key_id: str, secret: str, message: bytes
) -> None:
    """A MAC can't be carried over to something else."""
    mac = KeyRing((NEW,)).mac(Purpose.SIGNED_URL, NEW.id, b"m")
    other = KeyRing((Key(key_id, secret),))
    assert not other.verifies(Purpose.SIGNED_URL, key_id, message, mac)


def test_a_mac_made_without_the_salt_does_not_verify() -> None:
    """The same secret in use for something else gives nothing away."""
    bare = hmac.digest(NEW.secret.encode(), b"m", "sha256")[:16]
    mac = urlsafe_b64encode(bare).decode().rstrip("=")
    assert not KeyRing((NEW,)).verifies(Purpose.SIGNED_URL, NEW.id, b"m", mac)


@given(st.binary())
def test_a_mac_ends_in_a_letter_that_mail_keeps(message: bytes) -> None:
    """22 characters, the last of which is never a dash or an underscore."""
    mac = KeyRing((NEW,)).mac(Purpose.SIGNED_URL, NEW.id, message)
    assert (len(mac), mac[-1] in "AQgw") == (22, True)


@given(st.binary())
def test_no_other_last_character_verifies(message: bytes) -> None:
    """Unused bits of the last character are zero, or the MAC is refused."""
    ring = KeyRing((NEW,))
    mac = ring.mac(Purpose.SIGNED_URL, NEW.id, message)
    spelled = [mac[:-1] + last for last in BASE64URL]
    good = [m for m in spelled if ring.verifies(Purpose.SIGNED_URL, "new", message, m)]
    assert good == [mac]


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(" ", id="blank"),
        pytest.param("\u00e4", id="not-ascii"),
        pytest.param("\udcff", id="undecoded-byte"),
        pytest.param("\x00", id="nul"),
    ],
)
def test_nothing_may_be_appended_to_a_mac(ending: str) -> None:
    """What lenient decoding would skip is refused."""
    ring = KeyRing((NEW,))
    mac = ring.mac(Purpose.SIGNED_URL, NEW.id, b"m")
    assert not ring.verifies(Purpose.SIGNED_URL, NEW.id, b"m", mac + ending)
    assert not ring.verifies(Purpose.SIGNED_URL, NEW.id, b"m", ending + mac)


@pytest.mark.parametrize("length", [1, 21], ids=str)
def test_a_cut_mac_does_not_verify(length: int) -> None:
    """A part of a MAC is worth nothing."""
    ring = KeyRing((NEW,))
    mac = ring.mac(Purpose.SIGNED_URL, NEW.id, b"m")
    assert not ring.verifies(Purpose.SIGNED_URL, NEW.id, b"m", mac[:length])


def test_the_alphabet_is_that_of_urls_alone() -> None:
    """A MAC in the other base64 alphabet is another text, and refused."""
    ring = KeyRing((NEW,))
    tries = (str(n).encode() for n in range(1000))
    macs = ((m, ring.mac(Purpose.SIGNED_URL, NEW.id, m)) for m in tries)
    message, mac = next((m, mac) for m, mac in macs if "-" in mac and "_" in mac)
    plain = mac.replace("-", "+").replace("_", "/")
    assert not ring.verifies(Purpose.SIGNED_URL, NEW.id, message, plain)
