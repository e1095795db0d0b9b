"""Reads the files of a multipart form (RFC 7578) out of a spooled body.

This is the only request body that Python parses; nginx has spooled all of it.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser
from werkzeug.http import parse_options_header

from gateway.errors import (
    BadFormError,
    BadNameError,
    ForgedFormError,
    TooManyFilesError,
)
from gateway.storage.blobs import full_disk_as_no_space
from gateway.storage.names import DisplayName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

#: Maximum number of files in a form.
MAXIMUM_FILES: Final = 100
#: Bytes that a form may have besides its files' content.
ENVELOPE: Final = 1 << 20
_OTHER_PARTS: Final = 10
_FIELD_BYTES: Final = 4096
_READ_BYTES: Final = 1 << 18
#: Bytes of one part's header: a file name may be long, it is shortened later.
_HEADER_BYTES: Final = 1 << 16
_BOUNDARY_BYTES: Final = 200  # RFC 2046 allows 70


@dataclass(frozen=True)
class Part:
    """One file of a form: its name, and the path of its content."""

    name: DisplayName
    path: Path


@dataclass(frozen=True)
class FormReader:
    """Reads forms of at most ``maximum_files`` files.

    ``token_field`` is the name of the form's first field, which holds its CSRF token
    or drop code; None if the form needs no token.
    """

    store: BlobStore
    token_field: str | None
    maximum_files: int = MAXIMUM_FILES

    @contextmanager
    def files(
        self, body: Path, content_type: str, check: Callable[[str], None]
    ) -> Iterator[list[Part]]:
        """Yield the files of the form *body*; each is in the spool until the exit.

        *check* is called with the token before any file is read, and raises an error
        if the token is wrong.  Raise BadFormError, TooManyFilesError, BadNameError or
        NoSpaceError, with nothing left in the spool.
        """
        with ExitStack() as spool:
            try:
                with full_disk_as_no_space():
                    parts = self._read(body, _boundary(content_type), check, spool)
            except (MultipartError, UnicodeDecodeError):
                raise BadFormError("malformed") from None
            if not parts:
                raise BadFormError("no-file")
            yield parts

    def _read(
        self,
        body: Path,
        boundary: bytes,
        check: Callable[[str], None],
        spool: ExitStack,
    ) -> list[Part]:
        events = _events(body, boundary)
        if self.token_field is not None:
            self._check_first(events, check)
        parts: list[Part] = []
        for event in events:
            if isinstance(event, MultipartSegment) and event.filename:
                if len(parts) == self.maximum_files:
                    raise TooManyFilesError(self.maximum_files)
                path = spool.enter_context(self.store.empty_file())
                parts.append(Part(_name(event.filename), path))
                with path.open("wb") as file:
                    file.writelines(_content(events))
        return parts

    def _check_first(
        self, events: Iterator[object], check: Callable[[str], None]
    ) -> None:
        first = next(events, None)
        if not isinstance(first, MultipartSegment) or first.name != self.token_field:
            raise ForgedFormError
        text = b""
        for block in _content(events):
            text += block
            if len(text) > _FIELD_BYTES:
                raise BadFormError("field-too-long")
        check(text.decode())


def _boundary(content_type: str) -> bytes:
    media_type, options = parse_options_header(content_type)
    boundary = options.get("boundary", "").encode()
    if media_type != "multipart/form-data" or not 0 < len(boundary) <= _BOUNDARY_BYTES:
        raise BadFormError("not-multipart")
    return boundary


def _events(body: Path, boundary: bytes) -> Iterator[object]:
    """Parse *body*; raise MultipartError if it is malformed or ends too early.

    Yield a segment for each part, then the part's content in blocks, then None.  Text
    after the last part is ignored (RFC 2046, 5.1.1).
    """
    parser = PushMultipartParser(boundary, max_header_size=_HEADER_BYTES)
    parts = 0
    with body.open("rb") as file:
        for event in parser.parse_blocking(file.read, _READ_BYTES):
            if isinstance(event, MultipartSegment):
                parts += 1
                if parts > MAXIMUM_FILES + _OTHER_PARTS:
                    raise TooManyFilesError(MAXIMUM_FILES)
            yield event


def _content(events: Iterator[object]) -> Iterator[bytes | bytearray]:
    """Yield the content of the current part."""
    for event in events:
        if not isinstance(event, bytes | bytearray):
            return
        yield event


def _name(text: str) -> DisplayName:
    try:
        return DisplayName.parse(text)
    except BadNameError:
        # The user of a browser can't correct the name that it sends.
        return DisplayName("file")
