"""Which address the gateway takes for its client's.

A link that is limited to a network tells: a link to a file that does not exist gets 403
from a client in another network, and 404 from a client in the network.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from gateway.doctor.results import Code, found, not_checked, passed
from gateway.doctor.site import NO_FILE, NOBODY, REPLACED

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.doctor.results import Result
    from gateway.doctor.site import Site

#: Headers in which clients may claim an address.
_CLAIMS: Final = {
    "X-Forwarded-For": NOBODY,
    "X-Real-IP": NOBODY,
    "Forwarded": f"for={NOBODY}",
    "CF-Connecting-IP": NOBODY,
    "True-Client-IP": NOBODY,
}
_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
#: Each answers loopback only.
_METRICS: Final = ("/metrics", "/metrics/nginx")
_TRUST: Final = (
    "GATEWAY_TRUSTED_PROXIES=NETWORK, the proxy's own network and nothing wider, and "
    "in the proxy: proxy_set_header X-Forwarded-For $remote_addr;"
)

CODES: Final = (Code.LINK_REFUSED, Code.FORGED_ADDRESS, Code.PROXY_AS_CLIENT)


def check(site: Site) -> list[Result]:
    """Check the gateway's keys, forged addresses, and the client's own address."""
    if site.why_no_links:
        return [not_checked(code, site.why_no_links) for code in CODES]
    if site.foreign_status == HTTPStatus.FORBIDDEN:
        known = passed(Code.LINK_REFUSED, "The gateway knows the keys of this machine.")
        return [known, _forged(site), _own(site)]
    rest = [not_checked(code, "the gateway refuses the link") for code in CODES[1:]]
    return [_refused(site, site.foreign_status), *rest]


def check_metrics(site: Site) -> list[Result]:
    """Check that metrics, which are for this machine only, are not public."""
    if site.are_refusals_replaced:
        return [not_checked(Code.METRICS_REACHABLE, REPLACED)]
    for path in _METRICS:
        answer = site.client.ask(path)
        if answer.own_address in {"127.0.0.1", "::1"}:
            reason = "this machine may read the metrics"
            return [not_checked(Code.METRICS_REACHABLE, reason)]
        if answer.status == HTTPStatus.OK:
            return [
                found(
                    Code.METRICS_REACHABLE,
                    f"{path}, which is for the gateway's own machine, is answered to "
                    f"a client with the address {answer.own_address}.",
                    _TRUST,
                )
            ]
    return [passed(Code.METRICS_REACHABLE, "The metrics are not public.")]


def _refused(site: Site, status: int) -> Result:
    ring = site.settings.keys if site.settings else None
    key = ring.newest.id if ring else ""
    if status == HTTPStatus.NOT_FOUND:
        return found(
            Code.LINK_REFUSED,
            f"The gateway does not know the key {key} of this machine: a link that it "
            "signed gets 404.",
            "gateway reload, if the key is new. If GATEWAY_DATA and GATEWAY_KEYS are "
            "not those of this gateway, set them, or use --outside.",
        )
    if status == HTTPStatus.GONE:
        return found(
            Code.LINK_REFUSED,
            f"A new link of the key {key} has already expired or is revoked (410).",
            "Compare the clocks (timedatectl), and see gateway revoke --list.",
        )
    return not_checked(Code.LINK_REFUSED, f"a link is answered with {status}")


def _forged(site: Site) -> Result:
    believed = []
    for name, text in _CLAIMS.items():
        answer = site.client.ask(site.foreign_link, "HEAD", {name: text})
        if answer.status == HTTPStatus.NOT_FOUND:
            believed.append(name)
    if not believed:
        return passed(Code.FORGED_ADDRESS, "No client can claim another address.")
    return found(
        Code.FORGED_ADDRESS,
        f"A client that sends {' or '.join(believed)} chooses its own address: a link "
        f"for {NOBODY} alone opened with it.",
        "In the proxy's location: proxy_set_header X-Forwarded-For $remote_addr; and "
        "nothing but proxies in GATEWAY_TRUSTED_PROXIES.",
    )


def _own(site: Site) -> Result:
    own = site.client.ask("/healthz").own_address

    def is_seen(*networks: str) -> bool:
        link = site.link(NO_FILE, networks=networks)
        return site.client.ask(link, "HEAD").status == HTTPStatus.NOT_FOUND

    if is_seen(own):
        return passed(Code.PROXY_AS_CLIENT, f"The gateway sees this client as {own}.")
    proxy = seen_proxy(own, is_seen, is_local=site.client.target.is_loopback)
    if proxy is None:
        return not_checked(
            Code.PROXY_AS_CLIENT,
            f"the gateway does not see this client as {own}, and a router may be why",
        )
    return found(
        Code.PROXY_AS_CLIENT,
        f"The gateway sees {proxy} instead of the client's address, {own}: all clients "
        "of the proxy share the limits of one client.",
        _TRUST,
    )


def seen_proxy(own: str, is_seen: Callable[..., bool], *, is_local: bool) -> str | None:
    """Return which address of a proxy the gateway sees instead of *own*, if any.

    ``is_seen(*networks)`` tells whether the gateway sees an address in one of them.
    With *is_local*, the target's host is this machine's loopback.
    """
    if is_seen(*_LOOPBACK):
        return "a loopback address"
    address = ip_address(own)
    # A container engine translates this machine's own requests to its loopback, and a
    # router those from its own network.
    is_translated = is_local if address.is_loopback else address.is_private
    if not is_translated and is_seen(*_PRIVATE):
        return "a private address"
    return None
