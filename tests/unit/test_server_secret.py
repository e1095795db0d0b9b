"""The server secret: read, rotated, and what its MACs are worth."""

from __future__ import annotations

import base64
import hmac

import pytest

from gateway.errors import KeyRingError
from gateway.links.server_secret import ServerSecret, Use

TEXT = "Yy7Pq2sWm4Zt8Rk1Vb6Nc3Xd9Lf5Jg0HhTq"
OTHER = "uP3xK8dQ1vR6nB9mT4wY7zC2fL5hJ0gSaEiO"
SECRET = ServerSecret((TEXT,))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{OTHER},{TEXT}", id="comma"),
        pytest.param(f"{OTHER}\n{TEXT}\n", id="lines"),
    ],
)
def test_it_is_read_newest_first(text: str) -> None:
    """From a variable and from a file."""
    assert ServerSecret.parse(text).secrets == (OTHER, TEXT)


def test_it_is_written_as_it_is_read() -> None:
    """Children of the supervisor read what it has read."""
    rotated = SECRET.rotated()
    assert ServerSecret.parse(str(rotated)) == rotated


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", "there is no secret", id="nothing"),
        pytest.param("x" * 31, "secret 1: its secret has 31 bytes", id="short"),
        pytest.param(
            "change-me" * 9, "secret 1: its secret is an example", id="example"
        ),
        pytest.param(f"{TEXT},short", "secret 2: its secret has 5 bytes", id="second"),
    ],
)
def test_what_is_no_secret_is_refused(text: str, fault: str) -> None:
    """The fault tells where, and never what."""
    with pytest.raises(KeyRingError) as caught:
        ServerSecret.parse(text)
    assert str(caught.value).startswith(fault)


def test_it_never_shows_itself() -> None:
    """What a debugger or a traceback prints has nothing of it."""
    assert TEXT not in repr(SECRET)


def test_a_rotation_puts_a_new_one_in_front() -> None:
    """Or leaves that one alone."""
    rotated, forgotten = SECRET.rotated(), SECRET.rotated(forget=True)
    assert rotated.secrets[1:] == (TEXT,)
    assert len(forgotten.secrets) == 1
    assert TEXT not in {rotated.secrets[0], *forgotten.secrets}


def test_a_mac_is_hmac_of_a_key_for_its_use() -> None:
    """120 bits, in Crockford's letters."""
    key = hmac.digest(TEXT.encode(), b"accel-gateway.drop.2", "sha256")
    cut = hmac.digest(key, b"message", "sha256")[:15]
    plain = base64.b32encode(cut).decode()
    to_crockford = dict(
        zip(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            "0123456789abcdefghjkmnpqrstvwxyz",
            strict=True,
        )
    )
    expected = "".join(to_crockford[letter] for letter in plain)
    assert SECRET.mac(Use.DROP, "message") == expected


@pytest.mark.parametrize(
    ("use", "message"),
    [
        pytest.param(Use.BROWSER, "message", id="another use"),
        pytest.param(Use.DROP, "massage", id="another message"),
    ],
)
def test_a_mac_fits_one_use_and_one_message(use: Use, message: str) -> None:
    """It can't be carried over to something else."""
    mac = SECRET.mac(Use.DROP, "message")
    assert SECRET.verifies(Use.DROP, "message", mac, older=False)
    assert not SECRET.verifies(use, message, mac, older=True)


@pytest.mark.parametrize(
    ("older", "is_good"),
    [
        pytest.param(True, True, id="for what was handed out"),
        pytest.param(False, False, id="for what lasts hours"),
    ],
)
def test_the_mac_of_an_older_secret_verifies_where_that_is_wanted(
    older: bool,  # noqa: FBT001
    is_good: bool,  # noqa: FBT001
) -> None:
    """Links go on after a rotation, and sessions end."""
    mac = SECRET.mac(Use.DROP, "message")
    assert SECRET.rotated().verifies(Use.DROP, "message", mac, older=older) is is_good


def test_each_use_has_a_key_of_its_own() -> None:
    """What signs sessions signs no link."""
    keys = {SECRET.key(use) for use in Use} | {SECRET.rotated().key(Use.SESSION)}
    assert len(keys) == len(Use) + 1
