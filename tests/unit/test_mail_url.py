"""The relay's URL: what it says, or why it says nothing."""

from __future__ import annotations

import re

import pytest

from gateway.config.mail_url import MailURL, Security

FORM = "must be like smtp://user:password@host:587"
GOOD = [
    pytest.param(
        "smtp://me:it@relay.example",
        MailURL("relay.example", 587, Security.STARTTLS, "me", "it"),
        id="starttls",
    ),
    pytest.param(
        "smtps://me:it@relay.example",
        MailURL("relay.example", 465, Security.TLS, "me", "it"),
        id="tls",
    ),
    pytest.param(
        "smtp://Relay.Example:2525/",
        MailURL("relay.example", 2525, Security.STARTTLS),
        id="port-and-no-login",
    ),
    pytest.param(
        "smtp://me%40example.com:p%3A%2F%40%C3%A4@relay.example",
        MailURL("relay.example", 587, Security.STARTTLS, "me@example.com", "p:/@ä"),
        id="percent-encoded",
    ),
    pytest.param(
        "smtp://localhost?tls=none",
        MailURL("localhost", 25, Security.NONE),
        id="localhost-without-tls",
    ),
    pytest.param(
        "smtp://127.8.9.10:26?tls=none",
        MailURL("127.8.9.10", 26, Security.NONE),
        id="loopback-without-tls",
    ),
    pytest.param(
        "smtp://[::1]:26?tls=none",
        MailURL("::1", 26, Security.NONE),
        id="ipv6-loopback-without-tls",
    ),
    pytest.param(
        "smtp://[2001:db8::1]",
        MailURL("2001:db8::1", 587, Security.STARTTLS),
        id="ipv6",
    ),
]


@pytest.mark.parametrize(("text", "url"), GOOD)
def test_a_url_says_where_the_relay_is_and_how_to_log_in(
    text: str, url: MailURL
) -> None:
    assert MailURL.parse(text) == url


HOST = f"{FORM}: its host or its port is not valid"
CLEAR = "tls=none is for a relay on this machine: localhost, 127.0.0.1 or [::1]"
QUERY = "must have no query but ?tls=none, and that with smtp://"
BAD = [
    pytest.param(
        "relay.example", f"{FORM} or smtps://user:password@host:465", id="bare"
    ),
    pytest.param("smtp://", HOST, id="no-host"),
    pytest.param("smtp://a_b", HOST, id="no-host-name"),
    pytest.param("smtp://relay..example", HOST, id="empty-label"),
    pytest.param(f"smtp://{'a' * 64}.example", HOST, id="long-label"),
    pytest.param(f"smtp://{'a.' * 127}example", HOST, id="long-host"),
    pytest.param("smtp://relay.example:0", HOST, id="port-0"),
    pytest.param(
        "smtp://me:a%00b@relay.example",
        f"{FORM}; percent-encode user and password",
        id="nul-in-the-password",
    ),
    pytest.param(
        "smtp://relay.example:65536",
        f"{FORM}; percent-encode user and password",
        id="port-too-high",
    ),
    pytest.param(
        "smtp://me:a/b@relay.example",
        f"{FORM}; percent-encode user and password",
        id="slash-in-the-password",
    ),
    pytest.param(
        "smtp://relay.example/x",
        "must not have a path; percent-encode user and password",
        id="path",
    ),
    pytest.param(
        "smtp://relay.example#x",
        "must not have a path; percent-encode user and password",
        id="fragment",
    ),
    pytest.param(
        "smtp://me@relay.example",
        "must have a user name and a password, or neither",
        id="no-password",
    ),
    pytest.param(
        "smtp://:it@relay.example",
        "must have a user name and a password, or neither",
        id="no-user",
    ),
    pytest.param("smtp://relay.example?tls=none", CLEAR, id="clear-to-elsewhere"),
    pytest.param("smtp://10.0.0.1?tls=none", CLEAR, id="clear-to-a-neighbour"),
    pytest.param("smtp://localhost.example?tls=none", CLEAR, id="clear-to-a-lookalike"),
    pytest.param("smtps://localhost?tls=none", QUERY, id="smtps-without-tls"),
    pytest.param("smtp://localhost?tls=off", QUERY, id="other-query"),
    pytest.param(
        "smtp://relay.example\n",
        "has a blank or a control character; percent-encode it",
        id="line-end",
    ),
]


@pytest.mark.parametrize(("text", "fault"), BAD)
def test_what_is_no_url_of_a_relay_is_refused_in_words(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        MailURL.parse(text)


def test_as_text_it_holds_no_password() -> None:
    url = MailURL.parse("smtp://me:TheSecret@relay.example")
    assert str(url) == "relay.example, port 587"
    assert "TheSecret" not in repr(url)
