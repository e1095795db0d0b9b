"""Whose address the gateway sees, if it is not the client's."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gateway.doctor.addresses import seen_proxy

LOOPBACK = "a loopback address"
PRIVATE = "a private address"


@pytest.mark.parametrize(
    ("own", "seen", "is_local", "proxy"),
    [
        pytest.param("127.0.0.77", "127.0.0.1", False, LOOPBACK, id="proxy-here"),
        pytest.param("203.0.113.9", "127.0.0.1", False, LOOPBACK, id="proxy-there"),
        pytest.param("2001:4860::9", "::1", False, LOOPBACK, id="proxy-there-ipv6"),
        pytest.param("8.8.8.8", "10.0.0.3", False, PRIVATE, id="load-balancer"),
        pytest.param("127.0.0.77", "172.18.0.1", False, PRIVATE, id="containers"),
        pytest.param("127.0.0.77", "172.18.0.1", True, None, id="container-engine"),
        pytest.param("192.168.1.5", "192.168.1.1", False, None, id="router"),
        pytest.param("192.168.1.5", "8.8.4.4", False, None, id="router-outside"),
        pytest.param("8.8.8.8", "8.8.4.4", False, None, id="unknown"),
    ],
)
def test_a_proxy_is_told_from_a_router(
    own: str, seen: str, *, is_local: bool, proxy: str | None
) -> None:
    def is_seen(*networks: str) -> bool:
        return any(ip_address(seen) in ip_network(network) for network in networks)

    assert seen_proxy(own, is_seen, is_local=is_local) == proxy
