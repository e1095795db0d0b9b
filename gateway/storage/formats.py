"""Formats by their first bytes, as their specifications fix them.

Only what is certain stands here: no text begins like any of these by chance.
What a format is called by honest people is part of it, so that an office
document is no surprise in a ZIP, nor ZIP in an office document's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Bytes that have to be looked at.
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
# ISO base media: one container under several names, for any content.
_ISO_MEDIA: Final = frozenset({"audio/mp4", "video/mp4", "video/quicktime"})
# Their content is text, which may be markup or begin like a script.
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
    """What begins so: its type and suffix, and the other types it goes by."""

    media_type: str
    suffix: str
    others: frozenset[str] = frozenset()

    def may_be(self, media_type: str) -> bool:
        """Tell whether an honest file of this format can be called that."""
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
        # These are pictures of either kind; the name knows better.
        (rb"....ftyp(?!mif[12]|miaf|msf1)", "video/mp4", "mp4", _ISO_MEDIA),
        (rb"\x1aE\xdf\xa3", "video/webm", "webm", ("video/x-matroska",)),
        (rb"OggS\0", "audio/ogg", "ogg", ("video/ogg",)),
        (rb"fLaC", "audio/flac", "flac", ()),
        (rb"ID3[\x02-\x04]", "audio/mpeg", "mp3", ("audio/aac", "audio/flac")),
        (rb"MThd\0\0\0\x06", "audio/midi", "mid", ()),
        # Illustrator's documents are PDF.
        (rb"%PDF-\d", "application/pdf", "pdf", ("application/postscript",)),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "application/zip", "zip", _ZIPPED),
        # With a password, an office document of the ZIP kind is one of these.
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
# What a computer runs or follows: PE and DOS, ELF, Mach-O and Java, Dalvik,
# a shortcut of Windows'.  Text may begin with MZ; it goes on without controls.
_PROGRAM: Final = re.compile(
    rb"MZ(?=.*[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f])|\x7fELF|"
    rb"\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|"
    rb"dex\n\d|L\0\0\0\x01\x14\x02\0",
    re.DOTALL,
)


def find(head: bytes) -> Format | None:
    """Return the format that the first bytes of a file are of, if it is certain."""
    return next((found for magic, found in _FORMATS if magic.match(head)), None)


def is_program(head: bytes) -> bool:
    """Tell whether a file that begins so is a program, not a script."""
    return _PROGRAM.match(head) is not None


def is_textual(media_type: str) -> bool:
    """Tell whether files of that type are text, or at times are."""
    return media_type.startswith("text/") or media_type in _TEXTUAL
