"""Where a login may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.auth.redirects import local


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="home"),
        pytest.param("/files/a/b%20c.txt?as=attachment", id="query"),
        pytest.param("/фото", id="Unicode"),
        pytest.param("/a//b", id="slashes behind the first"),
        pytest.param("/@evil.example", id="at"),
    ],
)
def test_a_path_of_this_site_is_kept(path: str) -> None:
    """What a page of ours asked for is where the person wants to go."""
    assert local(path, "/") == path


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("//evil.example", id="another host"),
        pytest.param("/\\evil.example", id="backslash"),
        pytest.param("\\\\evil.example", id="backslashes"),
        pytest.param("/a\\b", id="backslash inside"),
        pytest.param("/\t/evil.example", id="tab"),
        pytest.param("/\n/evil.example", id="line feed"),
        pytest.param(" //evil.example", id="blank before"),
        pytest.param("/ /evil.example", id="blank"),
        pytest.param("/\x7f", id="delete"),
        pytest.param("https:/evil.example", id="scheme"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("/" * 3000, id="long"),
    ],
)
def test_anything_else_leads_home(text: str | None) -> None:
    """A login page that leads elsewhere lends its name to whoever wrote the link."""
    assert local(text, "/") == "/"


@pytest.mark.parametrize(
    ("text", "led"),
    [
        pytest.param("/media/shares", "/media/shares", id="page"),
        pytest.param("/media/", "/media/", id="home"),
        pytest.param("/", "/media/", id="the site's own home"),
        pytest.param("/media", "/media/", id="without the slash"),
        pytest.param("/mediax/shares", "/media/", id="another path"),
        pytest.param("/shares", "/media/", id="page without the prefix"),
        pytest.param("//media/shares", "/media/", id="another host"),
        pytest.param("/media/../shares", "/media/", id="dot segments"),
        pytest.param("/media/a/%2E./.%2e/b", "/media/", id="encoded dots"),
        pytest.param("/media/..?a", "/media/", id="dots before a query"),
        pytest.param("/media/a..b/.c?d=/../", "/media/a..b/.c?d=/../", id="dots"),
    ],
)
def test_below_a_path_only_paths_below_it_are_kept(text: str, led: str) -> None:
    """The other pages of the host are not the gateway's."""
    assert local(text, "/media/") == led


@given(st.text(st.sampled_from("/\\:@.\t\n\r aevil"), max_size=12))
def test_no_text_leads_to_another_host(text: str) -> None:
    """Whatever a browser makes of it, it stays below one slash."""
    led = local(text, "/")
    assert led.startswith("/")
    assert not led.startswith(("//", "/\\"))
    assert not set(led) & set("\t\n\r\\ ")
