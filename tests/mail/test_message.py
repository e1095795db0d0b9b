"""What a mail is, to its last byte, whatever its sender wrote into it."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.languages import codes
from gateway.mail.letters import CodeMail, ShareMail, TestMail, one_line
from gateway.mail.message import compose, raw
from gateway.mail_address import Mailbox
from tests.mail.relays import FakeRelay
from tests.mail.test_relay import client

if TYPE_CHECKING:
    from gateway.mail.letters import Letter

FILES = Mailbox.parse("Files of Example <files@example.com>")
READER = Mailbox.parse("reader@example.org")
ANNA = Mailbox.parse("anna@example.net")
SITE = "Files of Example"
#: A link of a site with a long name.
LINK = f"https://{'sub.' * 20}files.example.com/d/{'0123456789' * 4}"
SHARE = ShareMail(
    to=READER,
    link=LINK,
    site=SITE,
    files=(("report.pdf", 3_200_000), ("Bilder/", None)),
    title="Q3",
    message="Hello,\n\nhere it is.",
    sender_name="Anna",
    reply_to=ANNA,
    expires=1_900_000_000,
)
NOW = 1_893_456_000


def bytes_of(letter: Letter) -> bytes:
    return raw(compose(letter, sender=FILES, message_id="abc", now=NOW))


def read(letter: Letter) -> EmailMessage:
    """Return the mail as a mail program reads it."""
    mail = message_from_bytes(bytes_of(letter), policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def headers_of(letter: Letter) -> dict[str, str]:
    """Return the headers, decoded as RFC 2047 says; the library's own way is faulty."""
    mail = message_from_bytes(bytes_of(letter))
    return {
        name: str(make_header(decode_header(text))).replace("\r\n", "").strip()
        for name, text in mail.items()
    }


def text_of(letter: Letter) -> str:
    """Return the text; its line ends and blanks are plain ones."""
    part = read(letter).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").replace("\xa0", " ")


def html_of(letter: Letter) -> str:
    part = read(letter).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_a_share_s_mail_says_all_that_its_reader_needs() -> None:
    letter = replace(
        SHARE, has_password=True, has_otp=True, not_before=1_899_000_000
    ).letter()
    assert (
        text_of(letter)
        == f"""\
Anna sends you files

> Hello,
>
> here it is.

- report.pdf (3.2 MB)
- Bilder/

To get the files, open this link:

{LINK}

The link works from 6 March 2030, 04:00 UTC.
The link works until 17 March 2030, 17:46 UTC.
You need a password. Anna will send it to you separately.
You need a code. Request it by mail on the page of this link.
This link is only for you. Please do not forward it.

--{" "}
Files of Example sent this mail for Anna.
Your reply goes to Anna.
"""
    )


def test_a_share_s_mail_is_german_if_its_reader_is() -> None:
    letter = replace(SHARE, lang="de", files=(("Bericht.pdf", 1),)).letter()
    assert letter.subject == "Anna schickt Ihnen: Q3"
    assert (
        text_of(letter)
        == f"""\
Anna schickt Ihnen eine Datei

> Hello,
>
> here it is.

- Bericht.pdf (1 Byte)

Öffnen Sie diesen Link, um die Datei herunterzuladen:

{LINK}

Der Link gilt bis 17. März 2030, 17:46 UTC.
Der Link ist nur für Sie bestimmt. Bitte geben Sie ihn nicht weiter.

--{" "}
Files of Example hat diese E-Mail im Auftrag von Anna verschickt.
Ihre Antwort geht an Anna.
"""
    )


def test_a_share_of_the_site_itself_names_nobody_else() -> None:
    """It has neither title nor message, and never ends."""
    letter = ShareMail(to=READER, link=LINK, site=SITE, files=(("a", 0),)).letter()
    assert letter.subject == "Files of Example sends you a file"
    assert (
        text_of(letter)
        == f"""\
Files of Example sends you a file

- a (0 bytes)

To get the file, open this link:

{LINK}

This link is only for you. Please do not forward it.

--{" "}
Please do not reply to this mail.
"""
    )


def test_two_files_are_counted() -> None:
    letter = replace(SHARE, title="", files=(("a", 1), ("b", 1)), lang="de").letter()
    assert letter.subject == "Anna schickt Ihnen 2 Dateien"
    assert letter.button == "Dateien abrufen"


def test_of_many_files_the_first_are_named() -> None:
    many = tuple((f"{n}.txt", 1) for n in range(500))
    letter = replace(SHARE, files=many).letter()
    assert letter.headline == "Anna sends you 500 files"
    assert letter.items[-2:] == ("19.txt (1 byte)", "and 480 more")


def test_a_code_stands_alone_on_its_line() -> None:
    letter = CodeMail(
        to=READER, code="012345", site=SITE, minutes=10, title="Q3"
    ).letter()
    assert letter.subject == "012345 is your code"
    assert (
        text_of(letter)
        == f"""\
Your code for: Q3

Enter this code on the page of your link:

012345

It works once and expires in 10 minutes.
If you did not request a code, you can ignore this mail.

--{" "}
Files of Example sent this mail.
Please do not reply to this mail.
"""
    )


def test_the_headers_are_the_operator_s() -> None:
    """Replies go to the sender, and no program answers."""
    headers = headers_of(SHARE.letter())
    assert headers.pop("Content-Type").startswith("multipart/alternative;")
    assert headers == {
        "From": '"Files of Example" <files@example.com>',
        "To": "reader@example.org",
        "Reply-To": "anna@example.net",
        "Subject": "Anna sends you: Q3",
        "Date": "Tue, 01 Jan 2030 00:00:00 +0000",
        "Message-ID": "<abc@example.com>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }


def test_without_an_address_of_the_sender_there_is_no_reply_to() -> None:
    assert "Reply-To" not in read(replace(SHARE, reply_to=None).letter())


MAILS: dict[str, ShareMail | CodeMail | TestMail] = {
    "share": SHARE,
    "code": CodeMail(to=READER, code="012345", site=SITE, minutes=1),
    "test": TestMail(to=READER, site=SITE),
}


@pytest.mark.parametrize("lang", codes())
@pytest.mark.parametrize("kind", MAILS)
def test_both_parts_say_the_same(kind: str, lang: str) -> None:
    letter = replace(MAILS[kind], lang=lang).letter()
    shown = [letter.headline, *letter.items, letter.call, letter.key, *letter.notes]
    text = " ".join(text_of(letter).split())
    html = html_of(letter)
    assert [said for said in [*shown, *letter.footer] if said not in text] == []
    assert [said for said in [*shown, *letter.footer] if said not in html] == []
    assert f'<html lang="{lang}">' in html


@pytest.mark.parametrize("kind", MAILS)
def test_nothing_is_loaded_from_elsewhere(kind: str) -> None:
    """Nothing is tracked, and no mail program has to block anything."""
    html = html_of(MAILS[kind].letter()).replace(LINK, "")
    assert re.findall(r"https?:|//|src=|url\(|@import|<link|<img|<script", html) == []
    assert "<style" not in html
    assert 'style="' in html


def test_the_link_is_whole_on_a_line_of_its_own_as_the_relay_gets_it() -> None:
    """Also beside letters beyond ASCII, and in both parts."""
    letter = replace(SHARE, title="für alle", message="grün " * 300).letter()
    with FakeRelay().running() as relay, client(relay) as sender:
        sender.send(READER.wire, bytes_of(letter))
    [mail] = relay.mails
    assert isinstance(mail.content, bytes)
    assert mail.content.split(b"\r\n").count(LINK.encode()) == 2
    assert f'href="{LINK}"'.encode() in mail.content


HOSTILE = [
    pytest.param("x\r\nBcc: victim@example.org", id="line-end"),
    pytest.param("x\nBcc: victim@example.org", id="newline"),
    pytest.param("x\rBcc: victim@example.org", id="carriage-return"),
    pytest.param("x\u2028Bcc: victim@example.org", id="unicode-line-end"),
    pytest.param("x\x00\x0b\x0c\x1c\x85Bcc: victim@example.org", id="controls"),
    pytest.param("=?utf-8?q?x=0D=0ABcc:_victim@example.org?=", id="encoded-line-end"),
    pytest.param(
        "=?utf-8?b?eA0KQmNjOiB2aWN0aW1AZXhhbXBsZS5vcmc=?=", id="encoded-in-base64"
    ),
    pytest.param("x <victim@example.org>, y", id="address"),
    pytest.param('"x" <victim@example.org>', id="quoted-address"),
    pytest.param("x\\", id="backslash"),
    pytest.param('"', id="quote"),
    pytest.param("(x", id="comment"),
    pytest.param("ü, ö; <ä@x>", id="other-letters-and-specials"),
    pytest.param("x" * 5000, id="long-word"),
    pytest.param("ü" * 5000, id="long-word-of-other-letters"),
    pytest.param("\U0001f600 " * 3000, id="many-words"),
    pytest.param("\r\n.\r\nRCPT TO:<victim@example.org>\r\n", id="end-of-the-mail"),
    pytest.param("<script>alert(1)</script>", id="html"),
    pytest.param("{{ 7 * 7 }}{% raw %}", id="template"),
    pytest.param("{sender}{0}{}%s", id="format"),
    pytest.param("\ud800x", id="half-a-pair"),
    pytest.param("cod\u202efdp.exe", id="turned-round"),
]


def hostile(text: str) -> ShareMail:
    """Return a mail of which everything that its sender writes is *text*."""
    return replace(
        SHARE,
        title=text,
        message=text,
        sender_name=text,
        reply_to=replace(ANNA, name=text),
        files=((text, 5),),
    )


def shown(text: str) -> str:
    return one_line(text).replace("=?", "= ?")


def check(text: str) -> None:
    """Hold that *text* changes nothing but what is shown of it."""
    letter = hostile(text).letter()
    content, headers = bytes_of(letter), headers_of(letter)
    assert [*headers] == [*headers_of(SHARE.letter())]
    name, address = parseaddr(message_from_bytes(content)["Reply-To"])
    assert (headers["To"], address) == (READER.wire, ANNA.wire)
    assert headers["Subject"] == shown(letter.subject)
    assert str(make_header(decode_header(name))) == shown(text)
    assert LINK.encode() in content.split(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert content.partition(b"\r\n\r\n")[0].isascii()
    assert "<script>" not in html_of(letter)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_sender_s_changes_the_mail(text: str) -> None:
    """Nobody else gets it, no header comes in, and the link stays whole."""
    check(text)


PIECES = [
    "=?",
    "?=",
    "utf-8",
    "?q?",
    "=0A",
    "_",
    "\r\n",
    "\n",
    ",",
    "<",
    ">",
    '"',
    "\\",
]


@given(
    st.lists(st.one_of(st.sampled_from([*PIECES, "ü", " ", "x" * 80]), st.text())).map(
        "".join
    )
)
def test_no_text_at_all_changes_the_mail(text: str) -> None:
    check(text)


def test_a_name_does_not_turn_round_what_follows() -> None:
    """Else ``exe.pdf`` could be shown for what is an ``fdp.exe``."""
    assert hostile("cod\u202efdp.exe").letter().items == ("codfdp.exe (5 bytes)",)


def test_what_looks_like_html_or_a_template_is_shown_as_it_is() -> None:
    text = "<b>{{ 7 * 7 }}</b> & {sender}"
    letter = replace(SHARE, title="", files=((text, 5),)).letter()
    assert f"- {text} (5 bytes)\n" in text_of(letter)
    shown = "&lt;b&gt;{{ 7 * 7 }}&lt;/b&gt; &amp; {sender} (5 bytes)"
    assert shown in html_of(letter)


def test_a_link_in_a_message_stays_whole() -> None:
    link = f"https://files.example.com/s/{'x' * 700}"
    letter = replace(SHARE, message=f"see {link} and {'more ' * 40}").letter()
    assert f"\n> {link}\n" in text_of(letter)


def test_a_message_s_blank_lines_are_kept_and_no_line_is_long() -> None:
    letter = replace(SHARE, message="one\n\n\ntwo " + "three " * 100).letter()
    lines = text_of(letter).splitlines()
    start = lines.index("> one")
    assert lines[start : start + 3] == ["> one", ">", ">"]
    assert max(len(line) for line in lines if line != LINK) <= 74
