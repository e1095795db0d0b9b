"""Mail addresses: what people type becomes an address that SMTP takes."""

from __future__ import annotations

import pytest

from gateway.mail_address import Mailbox


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        pytest.param(
            "Anna.Example+x@EXAMPLE.com",
            Mailbox("Anna.Example+x@example.com", "Anna.Example+x@example.com"),
            id="address",
        ),
        pytest.param(
            " Anna Müller <anna@example.com> ",
            Mailbox("anna@example.com", "anna@example.com", "Anna Müller"),
            id="with-a-name",
        ),
        pytest.param(
            '"Müller, Anna" <anna@example.com>',
            Mailbox("anna@example.com", "anna@example.com", "Müller, Anna"),
            id="with-a-quoted-name",
        ),
        pytest.param(
            "<anna@example.com>",
            Mailbox("anna@example.com", "anna@example.com"),
            id="in-brackets",
        ),
        pytest.param(
            "anna@müller.example.com",
            Mailbox("anna@müller.example.com", "anna@xn--mller-kva.example.com"),
            id="domain-of-other-letters",
        ),
    ],
)
def test_an_address_is_read(text: str, mailbox: Mailbox) -> None:
    assert Mailbox.parse(text) == mailbox


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("anna", id="name-alone"),
        pytest.param("anna@", id="no-domain"),
        pytest.param("anna@example", id="domain-without-a-dot"),
        pytest.param("anna@localhost", id="this-machine"),
        pytest.param("änna@example.com", id="letters-that-few-relays-take"),
        pytest.param("a@example.com,b@example.com", id="two"),
        pytest.param("a@example.com\r\nBcc: b@example.com", id="header"),
        pytest.param("a@example.com\nRCPT TO:<b@example.com>", id="command"),
        pytest.param("a@example.com> SIZE=1 <b@example.com", id="parameter"),
        pytest.param("a\x00@example.com", id="nul"),
        pytest.param("\udcff@example.com", id="half-a-pair"),
        pytest.param(f"{'a' * 65}@example.com", id="long-name"),
        pytest.param(f"a@{'b.' * 130}example.com", id="long-domain"),
        pytest.param("Anna <anna@example.com", id="bracket-left-open"),
    ],
)
def test_what_is_no_address_is_refused_in_words(text: str) -> None:
    """Nothing gets into a header or a command by an address."""
    with pytest.raises(ValueError, match=r"."):
        Mailbox.parse(text)


def test_the_domain_is_that_of_smtp() -> None:
    assert Mailbox.parse("a@müller.example.com").domain == "xn--mller-kva.example.com"
