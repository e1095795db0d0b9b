"""Whatever a client sends, it gets a clear 4xx and the error logs stay quiet."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http.families import has_dot_segment
from tests.live.stack import fresh_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.stack import Stack

through_nginx = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[
        # One stack serves all examples: it keeps no state between them.
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)

SECRET = b"never-to-be-seen"
TOKEN_TEXT = st.text(
    st.sampled_from("kabdeinpr0123456789.-_~=%ABCxyz\u0660é"), min_size=1, max_size=80
)
RAW_PATH = st.one_of(
    st.binary(min_size=1, max_size=60).map(lambda raw: quote(raw, safe="")),
    st.lists(
        st.sampled_from(
            [
                "..",
                ".",
                "%2e%2e",
                "%2f",
                "%00",
                "%0a",
                "h",
                "file.txt",
                "",
                "%ff",
                "_files",
            ]
        ),
        min_size=1,
        max_size=6,
    ).map("/".join),
)
HEADER_NAME = st.sampled_from(
    [
        "Range",
        "If-Range",
        "If-None-Match",
        "If-Modified-Since",
        "Accept",
        "Accept-Encoding",
        "Origin",
        "Cookie",
        "Content-Type",
        "Expect",
        "Upgrade",
        "Transfer-Encoding",
        "X-Forwarded-Protocol",
        "X-Forwarded-Proto",
        "X-Accel-Redirect",
        "Forwarded",
        "User-Agent",
    ]
)
HEADER_VALUE = st.one_of(
    st.binary(max_size=200).map(
        lambda raw: bytes(b for b in raw if b not in b"\r\n\0")
    ),
    st.sampled_from(
        [
            b"bytes=",
            b"bytes=-",
            b"bytes=-0",
            b"bytes=99999999999999999999-",
            b"bytes=5-1",
            b"bytes=0-0,-1,1-",
            b"items=0-1",
            b"gzip;q=nan, *;q=-1",
            b"application/json;q=2, text/html;q=",
            b"Thu, 99 Foo 0000 99:99:99 GMT",
            b'W/"',
            b"100-continue",
        ]
    ),
)


#: What becomes of a link's text: places count from the start, and wrap around.
PLACE = st.integers(0, 200)
DAMAGE = st.one_of(
    st.builds(
        lambda at, new: lambda text: put(text, at, 1, new),
        PLACE,
        st.sampled_from("AQgwabik019.-_~=/%?#;:\\"),
    ),
    st.builds(
        lambda at, size: lambda text: put(text, at, size, ""), PLACE, st.integers(1, 9)
    ),
    st.builds(
        lambda at, new: lambda text: put(text, at, 0, new),
        st.one_of(PLACE, st.just(-1)),
        st.sampled_from(["/", "//", "/./", "/../", "%2e/", ".", "=", "%0d%0a", "~", "A",
                         "%00", "%20", "?x=1", "#x", "%25", ".txt", "%ff"]),
    ),
    st.builds(lambda at: lambda text: encode(text, at), PLACE),
    st.builds(
        lambda which, new: lambda text: put(text, slash(text, which) + 1, 0, new),
        PLACE,
        st.sampled_from(["./", "../", "x/../", "%2e/", "x%2F..%2f", "/", "_files/"]),
    ),
)  # fmt: skip


def put(text: str, at: int, size: int, new: str) -> str:
    """Put *new* in place of *size* characters."""
    at %= len(text) + 1
    return text[:at] + new + text[at + size :]


def encode(text: str, at: int) -> str:
    """Percent-encode one character."""
    at %= len(text)
    return put(text, at, 1, f"%{ord(text[at]):02x}")


def slash(text: str, which: int) -> int:
    """Return where a slash is; -1 if there is none."""
    places = [at for at, char in enumerate(text) if char == "/"] or [-1]
    return places[which % len(places)]


def meant(target: str) -> str:
    """Return the path that a URL means, whichever characters are encoded."""
    return unquote(re.split("[?#]", target)[0], errors="surrogateescape")


def answer_to(stack: Stack, target: bytes, headers: bytes = b"") -> bytes:
    """Send one request as a client of its own; return the final answer."""
    answer = stack.raw(
        b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n"
        b"X-Forwarded-For: " + fresh_client().encode() + b"\r\n"
        b"Connection: close\r\n" + headers + b"\r\n"
    )
    return answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")


def led_to(answer: bytes) -> str:
    """Return where an answer leads, or nothing."""
    found = re.search(rb"\r\nLocation: (\S+)\r\n", answer)
    return found[1].decode() if found else ""


def status_of(stack: Stack, target: bytes, headers: bytes = b"") -> int:
    """Send one request; return the status, and see that it opens no secret."""
    answer = answer_to(stack, target, headers)
    assert SECRET not in answer
    return int(answer.split(b" ", 2)[1])


@given(token=TOKEN_TEXT, path=RAW_PATH)
@through_nginx
def test_no_token_but_a_signer_s_opens_anything(
    stack: Stack, token: str, path: str
) -> None:
    stack.put("h/file.txt", SECRET)
    target = f"/s/{quote(token, safe='%=~')}/{path}".encode()
    assert status_of(stack, target) in {400, 404}


@pytest.mark.database
@given(damages=st.lists(DAMAGE, min_size=1, max_size=3))
@through_nginx
def test_a_genuine_link_opens_its_file_in_its_own_text_alone(
    stack: Stack, damages: list[Callable[[str], str]]
) -> None:
    stack.put("h/own/file.txt", SECRET)
    genuine = stack.sign("h/own/file.txt").removeprefix(f"{stack.url}/s/")
    assert SECRET in answer_to(stack, f"/s/{genuine}".encode())
    asked = reduce(lambda text, damage: damage(text or "-"), damages, genuine)
    answer = answer_to(stack, f"/s/{asked}".encode())
    is_own = meant(asked) == genuine
    assert (SECRET in answer) is is_own
    # What usually happens to links is undone, and leads to this one alone.
    statuses = {True: {200}, False: {308, 400, 404}}[is_own]
    assert int(answer.split(b" ", 2)[1]) in statuses
    assert led_to(answer) in {"", f"/s/{genuine}"}


@given(path=RAW_PATH)
@through_nginx
def test_a_folder_link_s_path_can_not_break_out(stack: Stack, path: str) -> None:
    (stack.home / "beside.txt").write_bytes(SECRET)
    stack.put("h/open/file.txt", b"open")
    folder = stack.sign("h/open", folder=True).removeprefix(stack.url)
    answer = answer_to(stack, f"{folder}{path}".encode())
    assert SECRET not in answer
    assert int(answer.split(b" ", 2)[1]) in {200, 308, 400, 404}
    assert led_to(answer)[: len(folder)] in {"", folder}
    assert not has_dot_segment(unquote(led_to(answer)))


@given(raw=st.binary(min_size=1, max_size=80))
@through_nginx
def test_raw_bytes_for_a_target_are_refused(stack: Stack, raw: bytes) -> None:
    target = b"/s/" + bytes(b for b in raw if b not in b"\r\n ")
    assert status_of(stack, target) in {400, 404}


@pytest.mark.database
@given(headers=st.lists(st.tuples(HEADER_NAME, HEADER_VALUE), max_size=6))
@through_nginx
def test_no_header_of_a_client_makes_a_server_error(
    stack: Stack, headers: list[tuple[str, bytes]]
) -> None:
    stack.put("h/plain.txt", b"0123456789")
    target = stack.sign("h/plain.txt").removeprefix(stack.url).encode()
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    assert status_of(stack, target, lines) in {200, 206, 304, 400, 412, 416, 417}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", b"404", id="nothing"),
        pytest.param(b"\r\n" * 50, b"404", id="blank lines"),
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400", id="TLS hello"
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400", id="HTTP/2 preface"),
        pytest.param(b"SSH-2.0-x\r\n", b"400", id="SSH"),
        pytest.param(
            b"GET http://localhost/nope HTTP/1.1\r\nHost: x\r\n\r\n", b"404", id="proxy"
        ),
    ],
)
def test_other_protocols_are_turned_away(
    stack: Stack, body: bytes, status: bytes
) -> None:
    answer = stack.raw(
        body + b"GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.split(b" ")[1] == status
