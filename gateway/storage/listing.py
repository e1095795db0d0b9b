"""One page of a bucket's listing: ListObjectsV2 of the S3 API.

obstore can't list a bucket with any keys: it refuses a whole page if a key has an empty
segment, a dot segment or a control character, and takes the marker of a folder,
``docs/``, for a file ``docs``.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_plus, urlencode
from xml.etree import ElementTree as ET

from gateway.bounded_reader import http_response
from gateway.certificates import ca_certificates
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from gateway.origin import Origin

#: The most objects of a page, and the most that a server permits.
MAXIMUM: Final = 1000
_CONNECT_SECONDS: Final = 3
#: Seconds until a request that has failed is repeated, once.
_PAUSE: Final = 0.2
#: A page with 1000 keys of 1024 bytes, encoded, has less than 4 MiB.
_MAXIMUM_BYTES: Final = 2**24
#: Amazon's code in an error.
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class ListingError(GatewayError):
    """A bucket was not listed, for the reason in the text: a verb and its object.

    ``status`` is the status that its server answers, None if it does not answer.
    """

    def __init__(self, fact: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(fact)


class _PassingError(ListingError):
    """The server failed, or closed the connection: the next request may succeed."""


@dataclass(frozen=True)
class ListedObject:
    """An object: key, size in bytes, and when it was stored, in Unix seconds."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True)
class Page:
    """Objects by key; ``following`` names the next page, and is empty if it is none."""

    objects: tuple[ListedObject, ...]
    following: str


def query(prefix: str, *, most: int, page: str) -> str:
    """Return the query of the page *page*, empty for the first one.

    It has at most *most* objects, whose keys begin with *prefix*.
    """
    fields = {
        "list-type": "2",
        # XML has no control characters.
        "encoding-type": "url",
        "max-keys": str(most),
        "prefix": prefix,
    }
    if page:
        fields["continuation-token"] = page
    return urlencode(fields, quote_via=quote, safe="")


def fetch(server: Origin, target: str, *, seconds: float) -> Page:
    """Return the page at *target*, the path and query of a presigned URL.

    A request may take *seconds*.  Raise ListingError.
    """
    try:
        return _ask(server, target, seconds)
    except _PassingError:
        time.sleep(_PAUSE)
        return _ask(server, target, seconds)


def _ask(server: Origin, target: str, seconds: float) -> Page:
    try:
        status, body = _get(server, target, seconds)
    except (TimeoutError, ssl.SSLError) as error:
        raise ListingError(f"does not answer: {error}") from error
    except (OSError, HTTPException, UnicodeError) as error:
        raise _PassingError(f"does not answer: {error}") from error
    if status != HTTPStatus.OK:
        raise _refusal(status, body)
    try:
        return parse(body)
    except (ET.ParseError, ValueError) as error:
        raise ListingError(f"gives no complete listing: {error}") from error


def _get(server: Origin, target: str, seconds: float) -> tuple[int, bytes]:
    deadline = time.monotonic() + seconds
    with closing(_connected(server, min(seconds, _CONNECT_SECONDS))) as sock:
        left = max(deadline - time.monotonic(), 0.001)
        sock.settimeout(left)
        connection = HTTPConnection(server.authority)
        connection.sock = sock
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", server.authority)
        connection.putheader("Connection", "close")
        connection.endheaders()
        with closing(http_response(sock, left, size=_MAXIMUM_BYTES)) as response:
            response.begin()
            return response.status, response.read()


def _connected(server: Origin, seconds: float) -> socket.socket:
    sock = socket.create_connection((server.host, server.port), seconds)
    if server.scheme == "http":
        return sock
    try:
        context = ssl.create_default_context(cafile=ca_certificates())
        return context.wrap_socket(sock, server_hostname=server.host)
    except BaseException:
        sock.close()
        raise


def _refusal(status: int, body: bytes) -> ListingError:
    phrases = {known.value: known.phrase for known in HTTPStatus}
    code = _CODE.search(body)
    text = f"answers {status} {phrases.get(status, '')}".rstrip()
    is_passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _PassingError if is_passing else ListingError
    if code:
        text += f" ({code[1].decode()})"
    return kind(text, status=status)


def parse(body: bytes) -> Page:
    """Return the page in an answer; raise ParseError or ValueError.

    (!) What is not certainly complete is refused: who has a part only takes the other
        objects for missing.
    """
    # A server could send nested entities, but expat limits what they expand to.
    root = ET.fromstring(body)  # noqa: S314
    if _name(root) != "ListBucketResult":
        raise ValueError("not a ListBucketResult")
    page = _fields(root)
    is_encoded = page.get("EncodingType") == "url"
    more = _given(page, "IsTruncated").lower()
    if more not in {"true", "false"}:
        raise ValueError(f"IsTruncated is {more!r}")
    return Page(
        tuple(
            _object(_fields(child), is_encoded=is_encoded)
            for child in root
            if _name(child) == "Contents"
        ),
        _given(page, "NextContinuationToken") if more == "true" else "",
    )


def _object(fields: dict[str, str], *, is_encoded: bool) -> ListedObject:
    key = _given(fields, "Key")
    return ListedObject(
        # Blanks are plus signs.
        unquote_plus(key, errors="strict") if is_encoded else key,
        int(_given(fields, "Size")),
        datetime.fromisoformat(_given(fields, "LastModified")).timestamp(),
    )


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _fields(element: Element) -> dict[str, str]:
    return {_name(child): child.text or "" for child in element}


def _given(fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise ValueError(f"without {name}")
    return fields[name]
