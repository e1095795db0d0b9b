"""What a signed URL delivers, through the real nginx."""

from __future__ import annotations

import email
import os
import re
import time
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import pytest

from gateway.delivery.accel import LARGE, SMALL
from tests.live.stack import ALWAYS, ORIGIN, OWN

if TYPE_CHECKING:
    from tests.live.stack import Stack

ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
#: Gateway, connection, request and time.
REQUEST_ID = r"[0-9a-f]{8}-[0-9]+-[0-9]+-[0-9]{10}\.[0-9]{3}"
GIB = 1 << 30


@pytest.fixture
def letters(stack: Stack) -> str:
    """Return the signed URL of the alphabet, of a file that nobody has asked for."""
    path = f"{token_hex(4)}/letters.bin"
    stack.put(path, ALPHABET)
    return stack.sign(path)


@pytest.mark.bucket
@pytest.mark.docker
@pytest.mark.database
def test_a_signed_url_delivers_the_file(stack: Stack) -> None:
    stack.put("a/b.txt", b"hello\n")
    answer = stack.ask(stack.sign("a/b.txt"))
    assert (answer.status_code, answer.content) == (200, b"hello\n")
    assert answer.headers["Server"] == "nginx"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.bucket
@pytest.mark.database
def test_head_answers_as_get_does_but_without_the_body(
    stack: Stack, letters: str
) -> None:
    get = stack.ask(letters)
    head = stack.ask(letters, "HEAD")
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k not in OWN} == {
        k: v for k, v in get.headers.items() if k not in OWN
    }


@pytest.mark.bucket
@pytest.mark.database
@pytest.mark.parametrize(
    ("wanted", "content", "content_range"),
    [
        pytest.param("bytes=0-0", b"a", "bytes 0-0/26", id="first byte"),
        pytest.param("bytes=25-", b"z", "bytes 25-25/26", id="last byte"),
        pytest.param("bytes=-3", b"xyz", "bytes 23-25/26", id="suffix"),
        pytest.param(
            "bytes=-99", ALPHABET, "bytes 0-25/26", id="suffix past the start"
        ),
        pytest.param("bytes=24-99", b"yz", "bytes 24-25/26", id="past the end"),
    ],
)
def test_a_range_is_answered_with_its_part(
    stack: Stack, letters: str, wanted: str, content: bytes, content_range: str
) -> None:
    answer = stack.ask(letters, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["Content-Range"] == content_range


@pytest.mark.docker
@pytest.mark.database
def test_several_ranges_come_as_parts_of_one_type(stack: Stack, letters: str) -> None:
    answer = stack.ask(letters, headers={"Range": "bytes=0-1,24-25"})
    message = email.message_from_bytes(
        f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
        + answer.content
    )
    parts = list(message.walk())[1:]
    assert answer.status_code == 206
    assert [part.get_payload(decode=True) for part in parts] == [b"ab", b"yz"]
    assert [part["Content-Range"] for part in parts] == [
        "bytes 0-1/26",
        "bytes 24-25/26",
    ]
    assert {part["Content-Type"] for part in parts} == {"application/octet-stream"}


@pytest.mark.bucket
@pytest.mark.database
def test_a_range_past_the_end_is_unsatisfiable(stack: Stack, letters: str) -> None:
    answer = stack.ask(letters, headers={"Range": "bytes=26-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */26"


@pytest.mark.parametrize(
    ("count", "status"),
    [
        pytest.param(16, 206, id="16"),
        pytest.param(17, 200, id="17, less than the file"),
        pytest.param(1000, 200, id="1000, more than the file"),
    ],
)
def test_more_than_sixteen_ranges_are_not_computed(
    stack: Stack, letters: str, count: int, status: int
) -> None:
    ranges = "bytes=" + ",".join("0-0" for _ in range(count))
    answer = stack.ask(letters, headers={"Range": ranges})
    assert answer.status_code == status


@pytest.mark.bucket
@pytest.mark.database
def test_if_range_gives_the_part_only_of_the_same_file(
    stack: Stack, letters: str
) -> None:
    etag = stack.ask(letters).headers["ETag"]
    same = stack.ask(letters, headers={"Range": "bytes=0-0", "If-Range": etag})
    other = stack.ask(letters, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
    assert (same.status_code, same.content) == (206, b"a")
    assert (other.status_code, other.content) == (200, ALPHABET)


@pytest.mark.bucket
@pytest.mark.database
def test_an_unchanged_file_is_304_by_etag_and_by_date(
    stack: Stack, letters: str
) -> None:
    first = stack.ask(letters)
    by_etag = stack.ask(letters, headers={"If-None-Match": first.headers["ETag"]})
    modified = first.headers["Last-Modified"]
    by_date = stack.ask(letters, headers={"If-Modified-Since": modified})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime(
        "%a, %d %b %Y %H:%M:%S GMT"
    )
    by_later_date = stack.ask(letters, headers={"If-Modified-Since": tomorrow})
    changed = stack.ask(letters, headers={"If-None-Match": '"other"'})
    statuses = [r.status_code for r in (by_etag, by_date, by_later_date, changed)]
    assert statuses == [304, 304, 304, 200]
    assert by_etag.content == b""


@pytest.mark.bucket(extra=True)
@pytest.mark.database
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("two words.txt", id="space"),
        pytest.param("100%.txt", id="percent"),
        pytest.param("100%25.txt", id="looks encoded"),
        pytest.param("%2e%2e%2fup.txt", id="looks like traversal"),
        pytest.param("why?.txt", id="question mark"),
        pytest.param("a#b.txt", id="hash"),
        pytest.param("a+b.txt", id="plus"),
        pytest.param("a;b=c.txt", id="semicolon"),
        pytest.param('it\'s "so".txt', id="quotes"),
        pytest.param("back\\slash.txt", id="backslash"),
        pytest.param("$uri ${host}.txt", id="nginx variables"),
        pytest.param("фото.txt", id="cyrillic"),
        pytest.param("📄 смех 😀.txt", id="emoji"),
        pytest.param("שלום مرحبا.txt", id="right to left"),
        pytest.param("a\u202etxt.exe", id="right-to-left override"),
        pytest.param("e\u0301.txt", id="decomposed"),
        pytest.param("x" * 251 + ".txt", id="255 bytes"),
        pytest.param("ж" * 125 + "a.txt", id="255 bytes of cyrillic"),
        pytest.param("name", id="no suffix"),
        pytest.param("a,b&c=d@e!f(g)[h]{i}|j^k`l~m*n:o<p>.txt", id="the rest of ASCII"),
    ],
)
def test_a_file_of_any_name_is_delivered_under_that_name(
    stack: Stack, name: str
) -> None:
    stack.put(f"names/{name}", name.encode())
    answer = stack.ask(stack.sign(f"names/{name}"))
    assert (answer.status_code, answer.content) == (200, name.encode())
    disposition = answer.headers["Content-Disposition"]
    extended = re.search(r"filename\*=UTF-8''(.*)", disposition)
    plain = re.search(r'filename="([^"]*)"', disposition)
    assert plain is not None
    assert (unquote(extended[1]) if extended else plain[1]) == name


@pytest.mark.database
def test_a_file_below_long_names_is_delivered(stack: Stack) -> None:
    path = "/".join(["\u65e5" * 80] * 10) + "/a.txt"
    stack.put(path, b"deep")
    answer = stack.ask(stack.sign(path))
    assert (answer.status_code, answer.content) == (200, b"deep")


@pytest.mark.bucket
def test_an_empty_file_is_delivered(stack: Stack) -> None:
    stack.put("empty.txt", b"")
    answer = stack.ask(stack.sign("empty.txt"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    tag, date = answer.headers["ETag"], answer.headers["Last-Modified"]
    for name, value, status in (
        ("If-Match", tag, 200),
        ("If-Match", '"other"', 412),
        ("If-None-Match", tag, 304),
        ("If-Modified-Since", date, 304),
        ("If-Unmodified-Since", date, 200),
        ("Range", "bytes=0-9", 200),
    ):
        url = stack.sign("empty.txt")
        assert stack.ask(url, headers={name: value}).status_code == status, name


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize("size", [SMALL, SMALL + 1, LARGE - 1, LARGE])
def test_a_file_of_any_size_arrives_whole_and_in_parts(stack: Stack, size: int) -> None:
    content = os.urandom(size)
    path = f"{token_hex(4)}.bin"
    stack.put(path, content)
    url = stack.sign(path)
    assert stack.ask(url).content == content
    middle = stack.ask(url, headers={"Range": f"bytes=9-{size - 9}"})
    assert middle.content == content[9 : size - 8]


@pytest.mark.database
def test_a_file_of_five_gib_is_read_past_four(stack: Stack) -> None:
    path = stack.put("sparse.bin", b"")
    with path.open("r+b") as file:
        file.truncate(5 * GIB)
        file.seek(9 * GIB // 2)
        file.write(b"here")
    url = stack.sign("sparse.bin")
    head = stack.ask(url, "HEAD")
    start = 9 * GIB // 2
    part = stack.ask(url, headers={"Range": f"bytes={start - 1}-{start + 4}"})
    os.truncate(path, 0)
    assert head.headers["Content-Length"] == str(5 * GIB)
    assert (part.status_code, part.content) == (206, b"\0here\0")


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_folder_link_covers_its_files_and_nothing_else(stack: Stack) -> None:
    stack.put("show/index.m3u8", b"#EXTM3U\n")
    stack.put("show/part/1.ts", b"one")
    stack.put("shower/secret.txt", b"no")
    folder = stack.sign("show", folder=True)
    answers = [
        stack.ask(folder + "index.m3u8"),
        stack.ask(folder + "part/1.ts"),
        stack.ask(folder.removesuffix("show/") + "shower/secret.txt"),
        stack.ask(folder.removesuffix("show/") + "show"),
        stack.ask(folder),
        stack.ask(folder + "../shower/secret.txt"),
    ]
    assert [a.status_code for a in answers] == [200, 200, 404, 404, 404, 404]


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_query_strings_are_ignored(stack: Stack, letters: str) -> None:
    answer = stack.ask(letters + "?utm_source=mail&fbclid=1&x=%00%ff")
    assert (answer.status_code, answer.content) == (200, ALPHABET)


@pytest.mark.database
def test_text_is_compressed_for_who_accepts_it(stack: Stack) -> None:
    text = b"WEBVTT\n" * 10_000
    stack.put("long.vtt", text)
    url = stack.sign("long.vtt", presentation="inline")
    answer = stack.ask(url, headers={"Accept-Encoding": "gzip"})
    again = stack.ask(
        url,
        headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]},
    )
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.content == text
    assert again.status_code == 304


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize(
    ("size", "presentation", "headers", "status"),
    [
        pytest.param(70_000, "attachment", {}, 200, id="attachment"),
        pytest.param(300_000, "inline", {}, 200, id="large"),
        pytest.param(70_000, "inline", {"Range": "bytes=7-99"}, 206, id="range"),
    ],
)
def test_what_may_be_resumed_is_not_compressed(
    stack: Stack,
    size: int,
    presentation: Literal["inline", "attachment"],
    headers: dict[str, str],
    status: int,
) -> None:
    # A name of its own: the same URL would have the same kept verdict.
    path = f"{token_hex(4)} ?.vtt"
    stack.put(path, b"x" * size)
    url = stack.sign(path, presentation=presentation)
    answer = stack.ask(url, headers={"Accept-Encoding": "gzip", **headers})
    assert answer.status_code == status
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["ETag"].startswith('"')
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [
        pytest.param("p.png", "image/png", "inline", id="png"),
        pytest.param("p.PDF", "application/pdf", "inline", id="pdf, upper case"),
        pytest.param("v.mp4", "video/mp4", "inline", id="video"),
        pytest.param("s.mp3", "audio/mpeg", "inline", id="audio"),
        pytest.param("t.txt", "text/plain; charset=utf-8", "inline", id="text"),
        pytest.param("t.vtt", "text/vtt; charset=utf-8", "inline", id="opted in"),
        pytest.param("i.svg", "image/svg+xml; charset=utf-8", "attachment", id="svg"),
        pytest.param("i.html", "text/html; charset=utf-8", "attachment", id="html"),
        pytest.param("i.xml", "text/xml; charset=utf-8", "attachment", id="xml"),
        pytest.param("i.js", "text/javascript; charset=utf-8", "attachment", id="js"),
        pytest.param("i.odd", "application/octet-stream", "attachment", id="unknown"),
    ],
)
def test_only_safe_types_are_shown_even_if_the_link_says_inline(
    stack: Stack, name: str, content_type: str, kind: str
) -> None:
    stack.put(f"types/{name}")
    answer = stack.ask(stack.sign(f"types/{name}", presentation="inline"))
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"].partition(";")[0] == kind


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_link_can_say_attachment_and_a_name(stack: Stack) -> None:
    stack.put("p/photo.png")
    url = stack.sign("p/photo.png", presentation="attachment", name="Ferien 2026 ☀.png")
    assert stack.ask(url).headers["Content-Disposition"] == (
        'attachment; filename="Ferien 2026 _.png"; '
        "filename*=UTF-8''Ferien%202026%20%E2%98%80.png"
    )


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_client_may_keep_a_file_as_long_as_its_link_lives(stack: Stack) -> None:
    stack.put("a/kept.txt")
    short = stack.ask(stack.sign("a/kept.txt", expires=timedelta(seconds=100)))
    long = stack.ask(stack.sign("a/kept.txt", expires=timedelta(days=90)))
    never = stack.ask(stack.sign("a/kept.txt", expires="never"))
    seconds = re.fullmatch(r"private, max-age=(\d+)", short.headers["Cache-Control"])
    assert seconds is not None
    assert 0 < int(seconds[1]) <= 100
    assert long.headers["Cache-Control"] == "private, max-age=86400"
    assert never.headers["Cache-Control"] == "private, max-age=86400"


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_rate_holds_the_delivery_back(stack: Stack) -> None:
    stack.put("slow.bin", bytes(300_000))
    url = stack.sign("slow.bin", rate=100_000)
    stack.ask(url, "HEAD")
    start = time.monotonic()
    answer = stack.send(url)
    took = time.monotonic() - start
    assert len(answer.content) == 300_000
    # nginx sends the first second's share at once: two more seconds are due.
    assert took > 1.5
    assert answer.elapsed.total_seconds() < took / 2


STATUSES = [
    pytest.param(200, {}, id="200"),
    pytest.param(206, {"Range": "bytes=1-2"}, id="206"),
    pytest.param(304, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, id="304"),
    pytest.param(416, {"Range": "bytes=99-"}, id="416"),
]
#: What a 416 says beside the words of the delivery that it is not.
UNSTORED = {416: ", no-store"}


@pytest.mark.bucket
@pytest.mark.docker
@pytest.mark.database
@pytest.mark.parametrize(("status", "headers"), STATUSES)
def test_every_delivery_carries_every_promised_header(
    stack: Stack, letters: str, status: int, headers: dict[str, str]
) -> None:
    answer = stack.ask(letters, headers={"Origin": ORIGIN, **headers})
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="letters.bin"'
    )
    told = r"private, max-age=3\d{3}" + UNSTORED.get(status, "")
    assert re.fullmatch(told, answer.headers["Cache-Control"])
    assert re.fullmatch(REQUEST_ID, answer.headers["X-Request-ID"])
    assert "Origin" in answer.headers["Vary"]
    assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.bucket(extra=True)
@pytest.mark.docker
@pytest.mark.database
@pytest.mark.parametrize(("status", "headers"), STATUSES)
def test_a_shared_link_is_delivered_for_everybody(
    stack: Stack, status: int, headers: dict[str, str]
) -> None:
    stack.put("a/shared.bin", ALPHABET)
    asked = {"Origin": ORIGIN, "Cookie": "session=x", **headers}
    answer = stack.ask(stack.sign("a/shared.bin", shared=True), headers=asked)
    assert answer.status_code == status
    told = r"public, max-age=3\d{3}, s-maxage=60" + UNSTORED.get(status, "")
    assert re.fullmatch(told, answer.headers["Cache-Control"])
    assert answer.headers["Vary"] == "Origin"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.bucket
@pytest.mark.parametrize(
    "condition",
    [
        pytest.param({"If-Match": '"another"'}, id="If-Match"),
        pytest.param(
            {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            id="If-Unmodified-Since",
        ),
    ],
)
def test_a_version_that_is_gone_is_refused_with_a_page(
    stack: Stack, letters: str, condition: dict[str, str]
) -> None:
    answer = stack.ask(letters, headers={"Origin": ORIGIN, **condition})
    program = {"Accept": "application/json", **condition}
    problem = stack.ask(letters, headers=program).json()
    assert answer.status_code == 412
    assert "The file has changed" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert problem["status"] == 412


@pytest.mark.bucket(extra=True)
@pytest.mark.docker
@pytest.mark.database
@pytest.mark.parametrize(
    ("status", "method"),
    [
        pytest.param(403, "GET", id="403"),
        pytest.param(404, "GET", id="404"),
        pytest.param(405, "POST", id="405"),
        pytest.param(410, "GET", id="410"),
    ],
)
def test_every_refusal_carries_every_promised_header(
    stack: Stack, status: int, method: str
) -> None:
    stack.put("a/gone.txt")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    url = {
        403: stack.sign(
            "a/gone.txt", not_before=tomorrow, expires=tomorrow + timedelta(days=1)
        ),
        404: stack.sign("a/missing.txt"),
        405: stack.sign("a/gone.txt"),
        410: LinkOf.the_past(stack, "a/gone.txt"),
    }[status]
    answer = stack.ask(url, method, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"] in answer.text
    assert "X-Gateway-Reason" not in answer.headers


@pytest.mark.bucket(extra=True)
def test_other_origins_may_read_nothing(stack: Stack, letters: str) -> None:
    for origin in (
        "https://evil.example",
        ORIGIN + ".evil.example",
        "null",
        "*",
        "",
        f"{ORIGIN} {ORIGIN}",
        "https://evil.example https://evil.example",
    ):
        answer = stack.ask(letters, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers, origin


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_preflight_from_a_named_origin_is_allowed(stack: Stack, letters: str) -> None:
    answer = stack.ask(
        letters,
        "OPTIONS",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Range" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("path", "method", "sent"),
    [
        pytest.param("/api/v1/files", "GET", "authorization", id="list"),
        pytest.param("/api/v1/files", "POST", "authorization", id="form"),
        pytest.param("/api/v1/files/a", "DELETE", "authorization", id="deletion"),
        pytest.param(
            "/api/v1/files/a.txt", "PUT", "content-digest,content-type", id="upload"
        ),
        pytest.param("/api/v1/drops", "POST", "content-type", id="JSON"),
        pytest.param("/files/a/a.txt", "GET", "authorization,range", id="own file"),
        pytest.param("/tus", "POST", "upload-length,tus-resumable", id="creation"),
        pytest.param(
            "/tus/a", "POST", "x-http-method-override,x-request-id", id="chunk"
        ),
    ],
)
def test_a_preflight_is_allowed_wherever_a_program_asks(
    stack: Stack, path: str, method: str, sent: str
) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": sent,
    }
    answer = stack.ask(stack.url + path, "OPTIONS", headers=headers)
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert answer.ok
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert {*sent.split(",")} <= {*allowed}


#: By which a preflight names the method of the request to come.
QUESTION = {"Access-Control-Request-Method": "PUT"}


@pytest.mark.parametrize(
    ("method", "path", "question"),
    [
        pytest.param("GET", "/api/v1/files", QUESTION, id="refusal"),
        pytest.param("GET", "/login", QUESTION, id="page"),
        pytest.param("OPTIONS", "/tus/", {}, id="no question for anything"),
        pytest.param("GET", None, QUESTION, id="delivery"),
    ],
)
def test_only_a_preflight_is_told_what_may_be_sent(
    stack: Stack, letters: str, method: str, path: str | None, question: dict[str, str]
) -> None:
    """Only OPTIONS is a preflight, whatever headers another request has."""
    url = letters if path is None else stack.url + path
    answer = stack.ask(url, method, headers={"Origin": ORIGIN, **question})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Methods" not in answer.headers
    assert "Access-Control-Allow-Headers" not in answer.headers


@pytest.mark.bucket(extra=True)
@pytest.mark.docker
@pytest.mark.database
def test_python_reads_none_of_the_bytes(stack: Stack) -> None:
    size = 64 << 20
    stack.put("big.bin", bytes(size))
    url = stack.sign("big.bin")
    stack.ask(url, "HEAD")
    before = bytes_read(stack, "gunicorn")
    answer = stack.ask(url)
    after = bytes_read(stack, "gunicorn")
    assert len(answer.content) == size
    # A worker that starts just now reads its modules, and no process reads half of it.
    assert max(after[pid] - before.get(pid, 0) for pid in after) < size // 2


def bytes_read(stack: Stack, name: str) -> dict[int, int]:
    """Return what each process has read, and sent by sendfile: ``rchar`` of proc(5).

    What came by recv(2) is not in it: it is the file that must not be read.
    """
    found = {}
    for pid in stack.processes(name):
        with open(f"/proc/{pid}/io", encoding="ascii") as counters:  # noqa: PTH123
            found[pid] = int(counters.readline().split()[1])
    return found


class LinkOf:
    """Links that this moment's signer would not make."""

    @staticmethod
    def the_past(stack: Stack, path: str) -> str:
        """Return a genuine link that expired a minute ago."""
        url = stack.signer.__class__(
            stack.keys, stack.url, clock=lambda: datetime.now(UTC).timestamp() - 120
        ).sign(path, expires=timedelta(seconds=60))
        stack.tokens.add(url.removeprefix(stack.url).split("/")[2])
        return url


@pytest.mark.bucket(extra=True)
@pytest.mark.database
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("film.webm", b"\x1aE\xdf\xa3", id="film"),
        pytest.param("sound.mp3", b"ID3\x03", id="sound"),
    ],
)
def test_a_player_may_load_the_file_that_it_plays(
    stack: Stack, name: str, content: bytes
) -> None:
    stack.put(f"d/{name}", content)
    answer = stack.ask(stack.sign(f"d/{name}", presentation="inline"))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; media-src 'self'" in policy
    assert policy.startswith("sandbox allow-same-origin;")
    assert "allow-scripts" not in policy
