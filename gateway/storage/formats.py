"""File formats by their first bytes, as their specifications define them.

Only certain formats are listed: no text begins like one of them by chance.  Each
format lists the other media types that its files legitimately have: for example, an
office document is a ZIP file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Bytes of a file's beginning that the patterns need.
HEAD: Final = 4096

_OFFICE: Final = frozenset(
    {
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
_ZIPPED: Final = _OFFICE | {
    "application/epub+zip",
    "application/java-archive",
    "application/vnd.android.package-archive",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
}
# ISO base media: one container with several media types, for audio and video.
_ISO_MEDIA: Final = frozenset({"audio/mp4", "video/mp4", "video/quicktime"})
# Types with text content, which may be markup or begin like a script.
_TEXTUAL: Final = _OFFICE | {
    "application/json",
    "application/manifest+json",
    "application/postscript",
    "application/rtf",
    "application/vnd.apple.mpegurl",
    "application/xhtml+xml",
    "image/svg+xml",
    "message/rfc822",
}


@dataclass(frozen=True)
class Format:
    """A format's media type and suffix, and the other types its files may have."""

    media_type: str
    suffix: str
    others: frozenset[str] = frozenset()

    def may_be(self, media_type: str) -> bool:
        """Return whether a file of this format may have that media type."""
        return media_type == self.media_type or media_type in self.others


_FORMATS: Final = tuple(
    (re.compile(magic, re.DOTALL), Format(media_type, suffix, frozenset(others)))
    for magic, media_type, suffix, others in (
        (rb"\x89PNG\r\n\x1a\n", "image/png", "png", ()),
        (rb"\xff\xd8\xff", "image/jpeg", "jpg", ()),
        (rb"GIF8[79]a", "image/gif", "gif", ()),
        (rb"RIFF....WEBP", "image/webp", "webp", ()),
        (rb"BM....\0\0\0\0", "image/bmp", "bmp", ()),
        (rb"II\*\0|MM\0\*", "image/tiff", "tif", ()),
        (rb"....ftyp(avi[fos]|MA1[AB])", "image/avif", "avif", ()),
        (rb"....ftyp(he[iv][cmsx]|MiH[BE])", "image/heic", "heic", ()),
        (rb"RIFF....WAVE", "audio/wav", "wav", ()),
        (rb"RIFF....AVI ", "video/x-msvideo", "avi", ()),
        (rb"....ftypM4[AB] ", "audio/mp4", "m4a", _ISO_MEDIA),
        (rb"....ftypqt  ", "video/quicktime", "mov", _ISO_MEDIA),
        # The excluded brands are AVIF or HEIC images: the file's name decides.
        (rb"....ftyp(?!mif[12]|miaf|msf1)", "video/mp4", "mp4", _ISO_MEDIA),
        (rb"\x1aE\xdf\xa3", "video/webm", "webm", ("video/x-matroska",)),
        (rb"OggS\0", "audio/ogg", "ogg", ("video/ogg",)),
        (rb"fLaC", "audio/flac", "flac", ()),
        (rb"ID3[\x02-\x04]", "audio/mpeg", "mp3", ("audio/aac", "audio/flac")),
        (rb"MThd\0\0\0\x06", "audio/midi", "mid", ()),
        # Illustrator's documents are PDF.
        (rb"%PDF-\d", "application/pdf", "pdf", ("application/postscript",)),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "application/zip", "zip", _ZIPPED),
        # Password-protected office documents of the ZIP kind have this format, too.
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", "doc", _OFFICE),
        (rb"\x1f\x8b\x08", "application/gzip", "gz", ("image/svg+xml",)),
        (rb"BZh[1-9]1AY&SY", "application/x-bzip2", "bz2", ()),
        (rb"\xfd7zXZ\0", "application/x-xz", "xz", ()),
        (rb"\x28\xb5\x2f\xfd", "application/zstd", "zst", ()),
        (rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", "7z", ()),
        (rb"Rar!\x1a\x07", "application/vnd.rar", "rar", ()),
        (rb".{257}ustar", "application/x-tar", "tar", ()),
        (rb"\xed\xab\xee\xdb", "application/x-rpm", "rpm", ()),
        (rb"!<arch>\n", "application/vnd.debian.binary-package", "deb", ()),
        (rb"SQLite format 3\0", "application/vnd.sqlite3", "sqlite", ()),
        (rb"\0asm", "application/wasm", "wasm", ()),
    )
)
# Programs and links that a computer executes: PE and DOS, ELF, Mach-O and Java, Dalvik,
# Windows shortcuts.  Text may begin with MZ, but has no control characters.
_PROGRAM: Final = re.compile(
    rb"MZ(?=.*[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f])|\x7fELF|"
    rb"\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|"
    rb"dex\n\d|L\0\0\0\x01\x14\x02\0",
    re.DOTALL,
)


def find(head: bytes) -> Format | None:
    """Return the format of a file by its first bytes, or None if it is not certain."""
    return next((format_ for magic, format_ in _FORMATS if magic.match(head)), None)


def is_program(head: bytes) -> bool:
    """Return whether a file with these first bytes is a program, not a script."""
    return _PROGRAM.match(head) is not None


def is_textual(media_type: str) -> bool:
    """Return whether files of that type are text, always or sometimes."""
    return media_type.startswith("text/") or media_type in _TEXTUAL
