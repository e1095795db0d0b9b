"""One table of media types for nginx and Python, and what may be shown inline."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.assets import asset
from gateway.storage.media_types import DEFAULT, MediaTypes, is_inert

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "nginx/snippets/media_types.conf"
SENDING = ROOT / "nginx/snippets/sending.conf"
#: What includes it: for the gateway's deliveries, and for a site's own views.
DELIVERIES = [ROOT / f"nginx/snippets/{n}delivery.conf" for n in ("", "internal_")]
TYPES = MediaTypes.read(CONF)


def directives(conf: Path) -> list[list[str]]:
    """Return the words of every directive of *conf*, split as nginx splits them."""
    text = re.sub(r"#.*|\{\{ conf \}\}/", "", conf.read_text("utf-8"))
    return [part.split() for part in re.split(r"[;{}]", text) if part.strip()]


def entries(conf: Path) -> list[tuple[str, str]]:
    """Return every suffix with its type, in order, repetitions included."""
    return [
        (suffix, words[0])
        for words in directives(conf)
        for suffix in words[1:]
        if "/" in words[0]
    ]


def inline_types() -> set[str]:
    """Return the types of the table that browsers may show."""
    return {
        media_type for media_type in TYPES.by_suffix.values() if is_inert(media_type)
    }


def test_python_reads_the_table_as_nginx_does() -> None:
    """Another reading of the file, by nginx's rules, gives the same table."""
    assert TYPES.by_suffix == dict(entries(CONF))


def test_the_table_is_not_empty() -> None:
    """Two readers that find nothing would agree as well."""
    assert TYPES.by_suffix["pdf"] == "application/pdf"
    assert len(TYPES.by_suffix) > 90


def test_no_suffix_stands_under_two_types() -> None:
    """Else nginx would take the one and Python the other."""
    counted = Counter(suffix for suffix, _ in entries(CONF))
    assert [suffix for suffix, count in counted.items() if count > 1] == []


def test_no_type_stands_there_twice() -> None:
    """Whoever adds a suffix finds the one line that it belongs on."""
    counted = Counter(words[0] for words in directives(CONF) if "/" in words[0])
    assert [name for name, count in counted.items() if count > 1] == []


def test_suffixes_stand_in_lower_case() -> None:
    """A name is lowered before nginx looks, which then finds no capital."""
    assert [suffix for suffix, _ in entries(CONF) if suffix != suffix.lower()] == []


def test_the_application_reads_the_file_that_deliveries_include() -> None:
    """The table that Python decides by is the one that nginx sends by."""
    assert ["include", "snippets/media_types.conf"] in directives(SENDING)
    for conf in DELIVERIES:
        assert ["include", "snippets/sending.conf"] in directives(conf)
    assert asset("nginx/snippets/media_types.conf").samefile(CONF)


def test_deliveries_have_no_second_table() -> None:
    """A ``types`` block beside the include would replace the table."""
    found = [words for conf in (SENDING, *DELIVERIES) for words in directives(conf)]
    assert [words for words in found if words[0] == "types"] == []


def test_what_nothing_is_known_about_has_the_same_type_on_both_sides() -> None:
    """The default of nginx is that of Python."""
    assert ["default_type", DEFAULT] in directives(CONF)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        pytest.param("REPORT.PDF", "application/pdf", id="capitals"),
        pytest.param("photo.JpG", "image/jpeg", id="mixed-case"),
        pytest.param("evil.jpg.html", "text/html", id="the-last-of-two"),
        pytest.param("evil.html.jpg", "image/jpeg", id="not-the-first-of-two"),
        pytest.param("a..png", "image/png", id="two-dots"),
        pytest.param("README", DEFAULT, id="no-suffix"),
        pytest.param("png", DEFAULT, id="suffix-alone"),
        pytest.param(".png", DEFAULT, id="no-stem"),
        pytest.param("photo.png.", DEFAULT, id="dot-at-the-end"),
        pytest.param("film.m\u212av", DEFAULT, id="kelvin-sign-is-no-k"),
    ],
)
def test_the_part_after_the_last_dot_decides(name: str, media_type: str) -> None:
    """As nginx reads a suffix: the last one, in any case of ASCII."""
    assert TYPES.of(name) == media_type


@given(st.text(), st.sampled_from(sorted(TYPES.by_suffix)))
def test_a_known_suffix_is_known_behind_any_stem(stem: str, suffix: str) -> None:
    """Nothing before the last dot changes the type."""
    assert TYPES.of(f"x{stem}.{suffix}") == TYPES.by_suffix[suffix]


def test_another_file_gives_another_table(tmp_path: Path) -> None:
    """The table is the file's and is not written down in Python."""
    conf = tmp_path / "types.conf"
    conf.write_text(
        "types {\n    a/b  x y;\n    c/d  z;\n}\ncharset_types c/d\n    e/f;\n"
    )
    types = MediaTypes.read(conf)
    assert types.by_suffix == {"x": "a/b", "y": "a/b", "z": "c/d"}
    assert types.texts == {"text/html", "c/d", "e/f"}


def test_text_has_a_charset_and_nothing_else_has() -> None:
    """As nginx appends it."""
    assert TYPES.content_type("text/csv") == "text/csv; charset=utf-8"
    assert TYPES.content_type("image/png") == "image/png"
    assert ["charset", "utf-8"] in directives(CONF)


def test_these_types_and_no_others_may_be_shown() -> None:
    """A type that is added to the table is saved until someone thinks about it."""
    assert inline_types() == {
        "application/pdf",
        "audio/aac",
        "audio/flac",
        "audio/midi",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/x-icon",
        "text/plain",
        "video/mp2t",
        "video/mp4",
        "video/mpeg",
        "video/ogg",
        "video/quicktime",
        "video/webm",
        "video/x-matroska",
        "video/x-msvideo",
    }


@pytest.mark.parametrize(
    "media_type",
    [
        pytest.param("text/html", id="html"),
        pytest.param("image/svg+xml", id="svg"),
        pytest.param("text/xml", id="xml"),
        pytest.param(DEFAULT, id="unknown"),
        pytest.param("text/plain; charset=utf-8", id="with-parameter"),
        pytest.param("x/audio/", id="family-in-the-middle"),
    ],
)
def test_what_could_run_script_is_not_inert(media_type: str) -> None:
    """Only what is known to be harmless is shown in the gateway's own origin."""
    assert not is_inert(media_type)
