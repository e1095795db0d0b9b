"""Links in what people paste: wrapped by mail filters, quoted, or in a mail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links import unwrap
from tests.vectors.wrappings import WRAPPINGS, wrapped

CODE = "0123456789abcdefghjkmnpqrstvwxyz01234567"
DROP = f"https://files.example.com/u/{CODE}"
SIGNED = "https://files.example.com/s/k1-_.e2.i3.m-_A/Q3%20r%C3%A4_1-2.pdf"
PATHS = {DROP: f"/u/{CODE}", SIGNED: "/s/k1-_.e2.i3.m-_A/Q3 r\u00e4_1-2.pdf"}


@pytest.mark.parametrize("url", PATHS, ids=["drop link", "signed URL"])
@pytest.mark.parametrize("template", WRAPPINGS.values(), ids=WRAPPINGS)
def test_what_a_filter_has_wrapped_is_found(template: str, url: str) -> None:
    """Among a few that do not verify."""
    assert PATHS[url] in unwrap.paths(wrapped(template, url))


@pytest.mark.parametrize("url", PATHS, ids=["drop link", "signed URL"])
@pytest.mark.parametrize("template", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("end", ["\r\n", "\n> ", "=\r\n", "=\n> ", "\n\t"], ids=ascii)
def test_a_wrapped_link_may_be_broken_at_any_place(
    template: str, url: str, end: str
) -> None:
    """It is long, and mails are 76 columns wide."""
    text = wrapped(template, url)
    lost = [
        text[:place]
        for place in range(9, text.index(" ") if " " in text else len(text))
        if PATHS[url] not in unwrap.paths(text[:place] + end + text[place:])
    ]
    assert lost == []


def test_a_link_is_found_in_a_mail() -> None:
    """People paste more than they are asked for."""
    mail = f"Dear Ann,\n\nhere it is <{DROP}>, or {SIGNED}.\n\nYours,\nBob\n"
    found = unwrap.paths(mail)
    assert found[0] == PATHS[DROP]
    assert f"{PATHS[SIGNED]}." in found


@pytest.mark.parametrize(
    ("url", "inner"),
    [
        pytest.param(
            "https://urldefense.com/v3/__http://a.example/**Aa*.html__;w60j!!foo!bar$",
            "http://a.example/\u00eda#.html",
            id="bytes of one character",
        ),
        pytest.param(
            f"https://urldefense.com/v3/__http://a.example/**_*x__;{'IyMj' * 22}!!f!b$",
            f"http://a.example/{'#' * 66}x",
            id="the longest run",
        ),
        pytest.param(
            "https://urldefense.com/v3/__http://a.example/*a*b__;Iw!!foo!bar$",
            "http://a.example/#ab",
            id="less than was left out",
        ),
        pytest.param(
            "https://urldefense.com/v3/__http://a.example/__;\u00e9!!f$",
            None,
            id="no base64",
        ),
        pytest.param("https://urldefense.com/v3/__http://a", "http://a", id="cut"),
        pytest.param("https://urldefense.com/v2/url?d=x", "", id="without a URL"),
        pytest.param("https://linkprotect.cudasvc.com/url?c=x", None, id="no field"),
        pytest.param("https://evil.example/?url=https://a", None, id="another host"),
        pytest.param(
            "https://xsafelinks.protection.outlook.com/?url=x", None, id="another name"
        ),
        pytest.param("https://[x/?url=https://a", None, id="no host"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_url_is_unwrapped_as_its_filter_would(url: str, inner: str | None) -> None:
    """That of another site stays as it is."""
    assert unwrap.unwrap(url) == inner


@pytest.mark.parametrize(
    ("url", "is_sealed"),
    [
        pytest.param(
            "https://protect-eu.mimecast.com/s/rADEC?domain=a.b", True, id="EU"
        ),
        pytest.param(
            "https://url.us.m.mimecastprotect.com/s/x?domain=a", True, id="US"
        ),
        pytest.param("https://PROTECT.MIMECAST.COM/s/x", True, id="capitals"),
        pytest.param(DROP, False, id="ours"),
        pytest.param("https://notmimecast.com/s/x", False, id="another name"),
        pytest.param("mimecast.com/s/x", False, id="no URL"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_link_that_can_t_be_unwrapped_is_known(url: str, is_sealed: bool) -> None:  # noqa: FBT001
    """Its URL has a token of the filter's own."""
    assert unwrap.is_sealed(f"see <{url}>") is is_sealed


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_has_few_paths(text: str) -> None:
    """Each is tried as a damaged link."""
    for around in (
        "{}",
        "https://urldefense.com/v3/__{}__;{}!",
        "https://a/s/{} /u/{}",
    ):
        assert len(unwrap.paths(around.replace("{}", text))) <= 12


def test_a_long_text_is_read_to_a_bound() -> None:
    """What a form may bring is longer."""
    assert unwrap.paths(" " * unwrap.MAXIMUM + DROP) == []
    assert unwrap.paths(DROP + " x" * unwrap.MAXIMUM)[0] == PATHS[DROP]
