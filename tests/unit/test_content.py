"""A type depends on name and content: renaming gives a file no false type."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from gateway.config.assets import asset
from gateway.storage.formats import _FORMATS
from gateway.storage.media_types import DEFAULT, MediaTypes, is_inert
from gateway.storage.names import DisplayName
from gateway.uploads.content import decide

if TYPE_CHECKING:
    from pathlib import Path

TYPES = MediaTypes.read(asset("nginx/snippets/media_types.conf"))
REST = bytes(600)

WINDOWS = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00" + REST
LINUX = b"\x7fELF\x02\x01\x01\x00" + REST
MACOS = b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + REST
SHORTCUT = b"L\0\0\0\x01\x14\x02\0" + REST
SCRIPT = b"#!/bin/sh\nrm -rf .\n"
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + REST
JPEG = b"\xff\xd8\xff\xe1\x00\x10Exif\0" + REST
GIF = b"GIF89a" + REST
WEBP = b"RIFF\x00\x10\0\0WEBPVP8 " + REST
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + REST
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
GZIP = b"\x1f\x8b\x08\x00" + REST
TAR = b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + REST
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + REST
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + REST
M4A = b"\0\0\0\x20ftypM4A \0\0\2\0M4A mp42isom" + REST
WEBM = b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\x01\x42\x82\x84webm" + REST
MP3 = b"ID3\x03\0\0\0\0\0\x21" + REST
WMV = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + REST


def branded(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + REST


def zipped(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return target.getvalue()


ZIP = zipped("a.txt")


def judged(tmp_path: Path, name: str, content: bytes) -> tuple[str, str]:
    path = tmp_path / "content"
    path.write_bytes(content)
    return decide(DisplayName.parse(name), path, TYPES)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WINDOWS, id="a program of Windows"),
        pytest.param(LINUX, id="a program of Linux"),
        pytest.param(MACOS, id="a program of macOS"),
        pytest.param(SHORTCUT, id="a shortcut"),
    ],
)
def test_a_program_has_the_unknown_type_under_any_name(
    tmp_path: Path, content: bytes
) -> None:
    names = ["a.png", "a.pdf", "a.txt", "a.mp4", "a.mp3", "a.zip", "a.docx", "a.csv"]
    decided = {name: judged(tmp_path, name, content) for name in names}
    assert decided == dict.fromkeys(names, (DEFAULT, "bin"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.png", ZIP, id="ZIP as a picture"),
        pytest.param("a.png", zipped(), id="an empty ZIP as a picture"),
        pytest.param("a.png", GZIP, id="gzip as a picture"),
        pytest.param("a.png", TAR, id="tar as a picture"),
        pytest.param("a.png", PDF, id="PDF as a picture"),
        pytest.param("a.png", MP4, id="film as a picture"),
        pytest.param("a.png", OLE, id="Word as a picture"),
        pytest.param("a.png", HTML, id="HTML as a picture"),
        pytest.param("a.png", SCRIPT, id="a script as a picture"),
        pytest.param("a.png", WMV, id="rarer film as a picture"),
        pytest.param("a.heic", HTML, id="HTML as a picture that none shows"),
        pytest.param("a.pdf", PNG, id="a picture as PDF"),
        pytest.param("a.txt", ZIP, id="ZIP as text"),
        pytest.param("a.zip", PNG, id="a picture as ZIP"),
        pytest.param("a.zip", HTML, id="HTML as ZIP"),
        pytest.param("a.docx", PDF, id="PDF as Word"),
    ],
)
def test_a_name_that_the_content_contradicts_gives_the_unknown_type(
    tmp_path: Path, name: str, content: bytes
) -> None:
    assert judged(tmp_path, name, content) == (DEFAULT, "bin")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.png", PNG, id="PNG"),
        pytest.param("a.JPEG", JPEG, id="JPEG in capitals"),
        pytest.param("a.heic", HEIC, id="HEIC"),
        pytest.param("a.heic", branded(b"miaf"), id="HEIC of brand miaf"),
        pytest.param("a.heic", branded(b"MiHB"), id="HEIC of brand MiHB"),
        pytest.param("a.avif", branded(b"miaf"), id="AVIF of brand miaf"),
        pytest.param("a.avif", branded(b"avio"), id="AVIF of brand avio"),
        pytest.param("a.pdf", PDF, id="PDF"),
        pytest.param("a.ai", PDF, id="Illustrator, which is PDF"),
        pytest.param("a.zip", ZIP, id="ZIP"),
        pytest.param("a.docx", zipped("word/document.xml"), id="Word in ZIP"),
        pytest.param("a.jar", zipped("META-INF/MANIFEST.MF"), id="Java in ZIP"),
        pytest.param("a.doc", OLE, id="old Word"),
        pytest.param("a.xlsx", OLE, id="Excel with a password"),
        pytest.param("a.doc", b"{\\rtf1\\ansi hello}", id="RTF as Word"),
        pytest.param(
            "a.xls", b"<table><tr><td>1", id="a table of a website's as Excel"
        ),
        pytest.param("a.svgz", GZIP, id="SVG in gzip"),
        pytest.param("a.tar", TAR, id="tar"),
        pytest.param("a.mp4", MP4, id="film"),
        pytest.param("a.m4a", MP4, id="sound in a film's container"),
        pytest.param("a.mkv", WEBM, id="Matroska"),
        pytest.param("a.mp3", MP3, id="MP3 with a title"),
        pytest.param("a.mp3", b"\xff\xfb\x90\x64" + REST, id="MP3 without one"),
        pytest.param("a.txt", b"MZ and BM are letters, GIF8 too", id="text like magic"),
        pytest.param("a.csv", b"MZ;PK;ID3\r\n1;2;3\r\n", id="a table like magic"),
        pytest.param("a.txt", SCRIPT, id="a script as text"),
        pytest.param("a.txt", HTML, id="a page's source as text"),
        pytest.param("a.log", b"<?xml version='1.0'?><log/>", id="a log in XML"),
        pytest.param("a.js", b"#!/usr/bin/env node\n1;", id="a script as script"),
        pytest.param("a.md", b"<p align=center>Read me</p>", id="markup in Markdown"),
        pytest.param("a.html", HTML, id="HTML"),
        pytest.param("a.svg", b"<?xml version='1.0'?><svg/>", id="SVG"),
        pytest.param("a.ts", b"import fs from 'fs';", id="TypeScript, by name a film"),
        pytest.param("a.png", b"", id="nothing"),
        pytest.param("a.png", b"not known at all", id="unknown content"),
    ],
)
def test_an_honest_name_decides(tmp_path: Path, name: str, content: bytes) -> None:
    assert judged(tmp_path, name, content) == (
        TYPES.of(name),
        name.rpartition(".")[2].lower(),
    )


@pytest.mark.parametrize(
    ("name", "content", "decided"),
    [
        pytest.param("a.png", JPEG, ("image/jpeg", "jpg"), id="JPEG as PNG"),
        pytest.param("a.png", GIF, ("image/gif", "gif"), id="GIF as PNG"),
        pytest.param("a.jpg", WEBP, ("image/webp", "webp"), id="WebP as JPEG"),
        pytest.param("a.jpg", HEIC, ("image/heic", "heic"), id="HEIC as JPEG"),
        pytest.param("a.ico", PNG, ("image/png", "png"), id="PNG as an icon"),
        pytest.param("a.svg", PNG, ("image/png", "png"), id="PNG as SVG"),
        pytest.param("a.mp3", M4A, ("audio/mp4", "m4a"), id="MP4 as MP3"),
        pytest.param("a.mp4", WEBM, ("video/webm", "webm"), id="WebM as MP4"),
    ],
)
def test_within_a_family_the_content_decides(
    tmp_path: Path, name: str, content: bytes, decided: tuple[str, str]
) -> None:
    assert judged(tmp_path, name, content) == decided


def test_nginx_gives_a_format_s_suffix_the_same_type() -> None:
    formats = [found for _, found in _FORMATS]
    assert {f.suffix: TYPES.of(f"a.{f.suffix}") for f in formats} == {
        f.suffix: f.media_type for f in formats
    }
    others = set().union(*(found.others for found in formats))
    assert others <= set(TYPES.by_suffix.values())


@pytest.mark.parametrize("name", ["a", "a.exe", "a.unheard-of"])
def test_a_name_without_a_known_suffix_gives_the_unknown_type(
    tmp_path: Path, name: str
) -> None:
    assert judged(tmp_path, name, PNG) == (DEFAULT, "bin")


def test_the_unknown_type_is_never_shown() -> None:
    assert not is_inert(DEFAULT)
    assert TYPES.of("a.bin") == DEFAULT
