"""When and from where a genuine signed URL is good."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.errors import EarlyLinkError, ExpiredLinkError, ForeignClientError
from gateway.links.claims import MAXIMUM_TIME, Claims
from gateway.links.policy import check, check_time

NOON = 1_800_000_000


def lasting(*, expires: int | None = None, not_before: int | None = None) -> Claims:
    return Claims(key_id="k1", issued=1, expires=expires, not_before=not_before)


def bound_to(*networks: str) -> Claims:
    here = tuple(map(ip_network, networks))
    return Claims(key_id="k1", issued=1, expires=None, networks=here)


def is_let_in(client: str, claims: Claims) -> bool:
    """Tell whether *claims* permit a request by that client."""
    try:
        check(claims, now=NOON, client=client)
    except ForeignClientError:
        return False
    return True


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(NOON - 0.001, id="the-last-moment"),
        pytest.param(0, id="a-clock-that-was-never-set"),
    ],
)
def test_a_link_is_good_before_its_expiry(now: float) -> None:
    """Until the very second of its end nothing is refused."""
    check(lasting(expires=NOON), now=now, client="192.0.2.1")


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(NOON, id="the-second-itself"),
        pytest.param(MAXIMUM_TIME, id="ages-later"),
    ],
)
def test_an_expiry_is_never_forgiven(now: float) -> None:
    """From the second of its end a link is over, and says since when."""
    with pytest.raises(ExpiredLinkError) as caught:
        check(lasting(expires=NOON), now=now, client="192.0.2.1")
    assert caught.value.expired_at == NOON


def test_a_link_that_never_expires_does_not() -> None:
    """No expiry is no limit, at any time."""
    check(lasting(expires=None), now=MAXIMUM_TIME + 1, client="192.0.2.1")


def test_sixty_seconds_too_early_are_forgiven() -> None:
    """A minting host's clock may run ahead by a minute."""
    check(lasting(not_before=NOON), now=NOON - 60, client="192.0.2.1")


def test_more_than_sixty_seconds_are_too_early() -> None:
    """A link does not begin before its time, and says when it does."""
    with pytest.raises(EarlyLinkError) as caught:
        check(lasting(not_before=NOON), now=NOON - 60.001, client="192.0.2.1")
    assert caught.value.valid_from == NOON


def test_the_moment_of_issue_is_not_compared() -> None:
    """A minting host whose clock is ahead makes links that work at once."""
    claims = Claims(key_id="k1", issued=NOON + 3600, expires=NOON + 7200)
    check(claims, now=NOON, client="192.0.2.1")


def test_the_time_can_be_checked_without_a_client() -> None:
    """``gateway inspect`` knows no client, so networks are not looked at."""
    check_time(bound_to("203.0.113.0/24"), now=NOON)
    with pytest.raises(ExpiredLinkError):
        check_time(lasting(expires=NOON), now=NOON)


def test_a_link_that_is_over_says_so_to_strangers_too() -> None:
    """Time decides before the client does, as docs/links.md orders it."""
    claims = Claims(
        key_id="k1",
        issued=1,
        expires=NOON,
        networks=(ip_network("203.0.113.0/24"),),
    )
    with pytest.raises(ExpiredLinkError):
        check(claims, now=NOON, client="192.0.2.1")


@pytest.mark.parametrize(
    ("client", "networks"),
    [
        pytest.param("203.0.113.0", ["203.0.113.0/24"], id="ipv4-first"),
        pytest.param("203.0.113.255", ["203.0.113.0/24"], id="ipv4-last"),
        pytest.param("203.0.113.9", ["0.0.0.0/0"], id="ipv4-every"),
        pytest.param("2001:db8::9", ["2001:db8::/32"], id="ipv6"),
        pytest.param("2001:DB8:0::9", ["2001:db8::9/128"], id="ipv6-spelled-otherwise"),
        pytest.param("fe80::9%eth0", ["fe80::/10"], id="ipv6-with-a-zone"),
        pytest.param("::ffff:203.0.113.9", ["203.0.113.0/24"], id="mapped"),
        pytest.param("64:ff9b::203.0.113.9", ["203.0.113.0/24"], id="NAT64"),
        pytest.param("203.0.113.9", ["2001:db8::/32", "203.0.113.0/24"], id="second"),
    ],
)
def test_a_client_inside_a_network_is_let_in(client: str, networks: list[str]) -> None:
    """One of the networks is enough, in either family."""
    assert is_let_in(client, bound_to(*networks))


@pytest.mark.parametrize(
    ("client", "networks"),
    [
        pytest.param("203.0.114.0", ["203.0.113.0/24"], id="ipv4-next"),
        pytest.param("203.0.112.255", ["203.0.113.0/24"], id="ipv4-previous"),
        pytest.param("2001:db9::", ["2001:db8::/32"], id="ipv6-next"),
        pytest.param("2001:db8::9", ["0.0.0.0/0"], id="ipv6-against-ipv4"),
        pytest.param("203.0.113.9", ["::/0"], id="ipv4-against-ipv6"),
        pytest.param("::ffff:203.0.113.9", ["::/0"], id="mapped-against-ipv6"),
        pytest.param("::203.0.113.9", ["203.0.113.0/24"], id="compatible-not-mapped"),
        pytest.param("", ["0.0.0.0/0", "::/0"], id="no-address"),
        pytest.param("unix:", ["0.0.0.0/0", "::/0"], id="unix-socket"),
        pytest.param("203.0.113.9, 10.0.0.1", ["203.0.113.0/24"], id="a-list"),
        pytest.param("203.0.113.9:443", ["203.0.113.0/24"], id="with-a-port"),
        pytest.param("203.0.113.9%eth0", ["203.0.113.0/24"], id="ipv4-with-a-zone"),
        pytest.param("0313.0.113.9", ["203.0.113.0/24"], id="octal"),
        pytest.param("3405803785", ["203.0.113.0/24"], id="a-number"),
    ],
)
def test_a_client_outside_all_networks_is_not_let_in(
    client: str, networks: list[str]
) -> None:
    """What is no address inside one of them is foreign, and never an error."""
    assert not is_let_in(client, bound_to(*networks))


def test_a_refusal_names_the_client() -> None:
    """The operator can look the address up."""
    with pytest.raises(ForeignClientError) as caught:
        check(bound_to("203.0.113.0/24"), now=NOON, client="192.0.2.1")
    assert caught.value.client == "192.0.2.1"


@pytest.mark.parametrize("client", ["192.0.2.1", "2001:db8::1", "unix:", ""], ids=repr)
def test_a_link_without_networks_is_for_everybody(client: str) -> None:
    """Where the link says nothing, not even an address is needed."""
    assert is_let_in(client, bound_to())
