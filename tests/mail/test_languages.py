"""Texts, sizes and times in the languages that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from gateway.mail import languages, letters

LOCALES = Path(letters.__file__).parents[1] / "locale"
TRANSLATIONS = languages.codes()[1:]


def texts() -> set[str]:
    """Return the texts of mails that are to be translated."""
    found = extract_from_dir(Path(letters.__file__).parent)
    return {forms(message)[0] for _, _, message, _, _ in found}


def forms(text: Any) -> list[str]:
    """Return what *text* is of one, of several and so on."""
    return [text] if isinstance(text, str) else list(text)


def fields(text: Any) -> set[str]:
    """Return what is put into *text*."""
    return set(re.findall(r"\{\w+\}", "".join(forms(text))))


def test_there_are_english_and_german() -> None:
    assert languages.codes() == ("en", "de")


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_each_text_is_translated_with_all_that_is_put_into_it(code: str) -> None:
    with (LOCALES / code / "LC_MESSAGES/messages.po").open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    messages = [message for message in catalog if message.id]
    assert {forms(message.id)[0] for message in messages} == texts()
    for message in messages:
        assert not message.fuzzy
        assert all(forms(message.string)), message.id
        assert fields(message.string) == fields(message.id)


@pytest.mark.parametrize(
    ("count", "english", "german"),
    [
        pytest.param(0, "0 bytes", "0 Byte", id="nothing"),
        pytest.param(1, "1 byte", "1 Byte", id="one"),
        pytest.param(999, "999 bytes", "999 Byte", id="bytes"),
        pytest.param(1000, "1 kB", "1 kB", id="thousand"),
        pytest.param(999_960, "1 MB", "1 MB", id="nearly-a-million"),
        pytest.param(3_250_000, "3.2 MB", "3,2 MB", id="millions"),
        pytest.param(10 * 2**30, "10.7 GB", "10,7 GB", id="gibibytes"),
        pytest.param(
            5 * 10**15, "5,000 TB", "5.000 TB", id="more-than-there-are-units"
        ),
    ],
)
def test_a_size_is_written_as_its_readers_write_it(
    count: int, english: str, german: str
) -> None:
    sizes = [languages.language(code).size(count) for code in ("en", "de")]
    # Some of the blanks are those at which no line is broken.
    assert [size.replace("\xa0", " ") for size in sizes] == [english, german]


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        pytest.param("de", "de", id="language"),
        pytest.param("de-AT", "de", id="language-of-a-country"),
        pytest.param("eo", "en", id="one-that-is-not-there"),
        pytest.param("", "en", id="none"),
        pytest.param("../de", "en", id="path"),
    ],
)
def test_a_tag_leads_to_the_nearest_language(tag: str, code: str) -> None:
    assert languages.language(tag).code == code


def test_a_moment_is_written_to_the_minute_in_utc() -> None:
    times = [languages.language(code).time(1_900_000_019) for code in ("en", "de")]
    assert times == ["17 March 2030, 17:46 UTC", "17. März 2030, 17:46 UTC"]
