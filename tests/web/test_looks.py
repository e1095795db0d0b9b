"""What each page has of its operator's, and what the pages of members offer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import drops
from gateway.config.brand import Brand
from gateway.uploads.drop_codes import DropCodes
from tests.web.conftest import NOON
from tests.web.sharing import BROWSER, Sharer, a_sharer

if TYPE_CHECKING:
    from tests.web.conftest import MakeSite, Site

NAME, COLOR, LOGO = "Müller & Co", "#d40000", "/s/a.b/logo.svg"


@pytest.fixture
def ann(site: Site) -> Sharer:
    sharer = a_sharer(site)
    site.log_in()
    return sharer


def a_drop_link(site: Site, ann: Sharer) -> str:
    with site.database.write() as connection:
        drop = drops.new(
            connection,
            ann.user,
            title="Photos",
            max_uploads=None,
            max_size=None,
            types=(),
            expires=None,
            now=int(NOON),
        )
    return f"/u/{DropCodes(site.secret, site.ring).of(drop)}"


def test_every_page_has_the_operator_s_name_and_logo(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_NAME=NAME, GATEWAY_COLOR=COLOR, GATEWAY_LOGO=LOGO)
    ann = a_sharer(site)
    site.log_in()
    strangers = ("/login", ann.link(), a_drop_link(site, ann), "/files/x/x")
    pages = [ann.stranger.get(path, headers=BROWSER) for path in strangers]
    pages += [site.client.get(path) for path in ("/", "/shares", "/drops", "/sessions")]
    for page in pages:
        assert f'<img src="{LOGO}" alt=""><span>Müller &amp; Co</span>' in page.text
        assert "· Müller &amp; Co</title>" in page.text


def test_a_refusal_has_the_operator_s_name_and_colour(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_NAME=NAME, GATEWAY_COLOR=COLOR)
    page = site.client.get("/none", headers=BROWSER).text
    assert "<span>M&#252;ller &amp; Co</span></header>" in page
    assert f"--accent: {COLOR};" in page


def test_pages_name_the_files_that_nginx_gets(site: Site) -> None:
    """Each is named by its content, in the operator's colour."""
    page = site.client.get("/login").text
    named = re.findall(r'"/static/([^?"]+)\?v=[0-9a-f]{12}"', page)
    statics = Brand("Files", "#2457c5", "").statics()
    assert {"style.css", "icon.svg", "page.js"} <= set(named) <= set(statics)


def test_a_preview_tells_the_operator_s_name_and_nothing_of_the_file(
    make_site: MakeSite,
) -> None:
    site = make_site(GATEWAY_NAME=NAME)
    ann = a_sharer(site)
    link = ann.link(title="Secret plans", message="Read this")
    page = ann.stranger.get(link, headers=BROWSER).text
    told = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', page))
    assert told["title"] == told["site_name"] == "Müller &amp; Co"
    said = " ".join(told.values())
    assert not any(word in said for word in ("Secret", "report", "Read", "ann"))


def test_several_files_are_chosen_for_one_share(ann: Sharer) -> None:
    home = ann.site.client.get("/").text
    boxes = re.findall(
        r'<input type="checkbox" name="upload" value="(\w+)" form="selection"', home
    )
    form = ann.site.client.get("/shares/new", query_string={"upload": boxes}).text
    assert sorted(boxes) == sorted(ann.uploads)
    assert ("report.pdf" in form, "notes.txt" in form) == (True, True)
    assert '<form id="selection" class="selected" method="get"' in home


def test_who_logs_in_first_comes_back_to_all_that_was_chosen(ann: Sharer) -> None:
    chosen = {"upload": ann.uploads}
    led = ann.stranger.get("/shares/new", query_string=chosen).headers["Location"]
    back = ann.site.client.get(led).headers["Location"]
    form = ann.site.client.get(back).text
    assert ("report.pdf" in form, "notes.txt" in form) == (True, True)


def test_a_file_is_downloaded_from_the_list(ann: Sharer) -> None:
    home = ann.site.client.get("/").text
    found = re.search(r'href="([^"]+)" aria-label="Download notes.txt"', home)
    assert found is not None
    sent = ann.site.client.get(found[1]).headers["Content-Disposition"]
    assert sent == 'attachment; filename="notes.txt"'


def test_a_qr_code_is_made_for_one_link(ann: Sharer) -> None:
    """It takes 10 ms, and a share may have 500 links."""
    share = ann.share(to=["bob@example.com", "eve@example.com"])
    path = f"/shares/{share['id']}"
    bob = share["recipients"][0]["id"]
    without, with_one = (
        ann.site.client.get(p).text for p in (path, f"{path}?qr={bob}")
    )
    alone = ann.site.client.get(f"/shares/{ann.share()['id']}").text
    shown = [page.count('class="segno"') for page in (without, with_one, alone)]
    assert shown == [0, 1, 1]


def test_a_link_is_shown_with_its_whole_address(site: Site, ann: Sharer) -> None:
    path = a_drop_link(site, ann)
    page = site.client.get("/drops").text
    assert f'<input readonly value="{path}" aria-label="Link: Photos">' in page
    assert f'data-copy="{path}"' in page
