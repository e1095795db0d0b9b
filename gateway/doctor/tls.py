"""TLS: the certificate, plain HTTP beside it, and whether the gateway knows of it."""

from __future__ import annotations

import ssl
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.doctor.answers import PAGE, STYLE_SHEET, style_sheet
from gateway.doctor.client import Client, NoAnswerError
from gateway.doctor.results import Code, found, not_checked, passed, shown

if TYPE_CHECKING:
    from gateway.doctor.client import Answer
    from gateway.doctor.results import Result
    from gateway.doctor.site import Site
    from gateway.doctor.target import Target

_DAY: Final = 86_400
#: A certificate ends soon in its last quarter, or in its last 14 days if that is less.
_SOON: Final = 14 * _DAY
_QUARTER: Final = 4
_HTTPS: Final = 443
_HSTS: Final = "Strict-Transport-Security"
#: What mends a certificate, by OpenSSL's code (X509_V_ERR_..., x509_vfy.h).
_MENDS: Final = {
    10: "Renew the certificate (certbot renew), then reload the proxy.",
    20: "ssl_certificate must name the whole chain, as in fullchain.pem.",
    21: "ssl_certificate must name the whole chain, as in fullchain.pem.",
    62: "Get a certificate for this name (certbot -d NAME), and check which server {} "
    "of the proxy answers for it.",
    64: "Use the name in the certificate instead of the IP address.",
}
_MEND: Final = (
    "Get a certificate of an authority that browsers trust (certbot), or name your own "
    "authority's in SSL_CERT_FILE."
)

CERTIFICATE_CODES: Final = (Code.TLS_INVALID, Code.TLS_ENDS)


def plain_client(client: Client) -> Client | None:
    """Return a client for plain HTTP beside *client*; None if its port is unknown."""
    target = client.target
    if not target.is_tls or target.port != _HTTPS or client.connect is not None:
        return None
    return Client(replace(target, scheme="http", port=80))


def check_plain_http(site: Site, plain: Client | None) -> list[Result]:
    """Check that links are not sent over plain HTTP; *plain* tries that."""
    target = site.client.target
    code, mend = Code.PLAIN_HTTP, "In the proxy: listen 443 ssl; with a certificate."
    if target.is_loopback:
        reason = f"only this machine can reach {target}; look at the public address"
        return [not_checked(code, reason)]
    if not target.is_tls:
        fact = (
            f"{target} is plain HTTP: anybody on the way can read links and use them."
        )
        public = replace(target, scheme="https", port=_HTTPS)
        return [found(code, fact, f"{mend} GATEWAY_PUBLIC_URL={public}")]
    if plain is None:
        reason = "the port of plain HTTP is unknown"
        return [not_checked(code, reason)]
    try:
        is_served = plain.ask("/healthz").json.get("status") == "ok"
    except NoAnswerError:
        is_served = False
    if is_served:
        fact = f"{plain.target} serves the gateway over plain HTTP, too."
        return [
            found(
                code, fact, "In the proxy's server of port 80: return 301 https://..."
            )
        ]
    return [passed(code, "The gateway is not served over plain HTTP.")]


def check_certificate(site: Site) -> list[Result]:
    """Check that the certificate is valid, and will be for a while."""
    target = site.client.target
    if not target.is_tls:
        reason = f"{target} has no TLS"
        return [not_checked(code, reason) for code in CERTIFICATE_CODES]
    try:
        with closing(Client(target, site.client.connect).open()) as sock:
            certificate = (
                sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
            )
    except ssl.SSLCertVerificationError as error:
        fact = (
            f"The certificate is not valid: {shown(error.verify_message).rstrip('.')}."
        )
        return [
            found(Code.TLS_INVALID, fact, _MENDS.get(error.verify_code, _MEND)),
            not_checked(Code.TLS_ENDS, "the certificate is not valid"),
        ]
    valid = passed(Code.TLS_INVALID, f"The certificate is valid for {target.host}.")
    return [valid, _end(certificate or {}, site.clock())]


def _end(certificate: ssl._PeerCertRetDictType, now: float) -> Result:
    begin = ssl.cert_time_to_seconds(str(certificate["notBefore"]))
    end = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    left = end - now
    text = f"The certificate ends in {_span(left)} ({certificate['notAfter']})."
    if left < min(_SOON, (end - begin) / _QUARTER):
        mend = "Renew the certificate (certbot renew), then reload the proxy."
        return found(Code.TLS_ENDS, text, mend)
    return passed(Code.TLS_ENDS, text)


def _span(seconds: float) -> str:
    if seconds < 2 * _DAY:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / _DAY:.0f} days"


def check_forwarded_proto(site: Site) -> list[Result]:
    """Check that the gateway learns that its clients use TLS: then it sends HSTS."""
    code = Code.FORWARDED_PROTO
    if not site.client.target.is_tls:
        return [not_checked(code, f"{site.client.target} has no TLS")]
    if _HSTS in site.client.ask(PAGE).headers:
        return [passed(code, "The gateway knows that its clients use TLS.")]
    if site.settings is None or not site.settings.hsts:
        return [not_checked(code, "only GATEWAY_HSTS would show it, which is not set")]
    fact = f"{PAGE} arrives over TLS without {_HSTS}, although GATEWAY_HSTS is set."
    mend = (
        "In the proxy's location: proxy_set_header X-Forwarded-Proto $scheme; and the "
        "proxy's network in GATEWAY_TRUSTED_PROXIES."
    )
    return [found(code, fact, mend)]


def check_public_url(site: Site) -> list[Result]:
    """Check that links and cookies are made for this address."""
    target = site.client.target
    page = site.client.ask(PAGE)
    fact = (
        _wrong_links(site.links_begin, target)
        or _wrong_paths(page, target)
        or _insecure_cookie(page, target)
    )
    if fact:
        return [found(Code.PUBLIC_URL, fact, f"GATEWAY_PUBLIC_URL={target}")]
    return [passed(Code.PUBLIC_URL, "Links and cookies are made for this address.")]


def _wrong_links(base: Target | None, target: Target) -> str:
    if base is None:
        return ""
    is_unset = base.is_loopback and not target.is_loopback
    # Another name may be one of GATEWAY_HOSTS.
    is_same = base == target or base.host != target.host
    if (is_same and not is_unset) or (base.is_tls and not target.is_tls):
        return ""
    return f"The gateway's links begin with {base} and not with {target}."


def _wrong_paths(page: Answer, target: Target) -> str:
    url = style_sheet(page)
    if url is None or url.startswith(f"{target.prefix}{STYLE_SHEET}"):
        return ""
    return (
        f"The pages of {target} name {shown(url)}, which is not below {target.prefix}/."
    )


def _insecure_cookie(page: Answer, target: Target) -> str:
    if not target.is_tls:
        return ""
    cookies = page.headers.get_all("Set-Cookie", [])
    if all("; secure" in cookie.lower() for cookie in cookies):
        return ""
    return (
        f"The cookie of {PAGE} lacks Secure: GATEWAY_PUBLIC_URL does not begin with "
        "https."
    )
