"""What a cache may keep of the answers: deliveries, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.web.sharing import a_sharer

if TYPE_CHECKING:
    from tests.web.conftest import MakeSite, Site


def answers(site: Site) -> dict[str, str | None]:
    """Ask each route by each of its methods; return what each says of caches."""
    asked = [
        (method, re.sub("<[^>]*>", "x", rule.rule))
        for rule in site.client.application.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]
    assert len(asked) > 50
    return {
        f"{method} {path}": site.client.open(path, method=method).headers.get(
            "Cache-Control"
        )
        for method, path in asked
    }


def test_no_cache_keeps_what_a_stranger_is_told(site: Site) -> None:
    """A view that says nothing of caches has said that none may keep its answer."""
    told = answers(site)
    assert {what: said for what, said in told.items() if said != "no-store"} == {}


@pytest.mark.usefixtures("ann")
def test_no_cache_keeps_what_a_person_is_told(site: Site) -> None:
    """A shared computer shows nobody the pages and lists of the one before."""
    told = answers(site)
    assert {what: said for what, said in told.items() if said != "no-store"} == {}


def test_a_delivery_keeps_its_own_word(site: Site) -> None:
    """What is not to be kept is the default, and no more than that."""
    answer = site.client.get(site.sign("a.txt"))
    assert answer.headers["Cache-Control"] == "private, max-age=600"


def test_shared_caches_may_store_what_a_shared_link_delivers(
    make_site: MakeSite,
) -> None:
    """For a minute, and a browser for as long as ever; neither beyond the link."""
    site = make_site(GATEWAY_SHARED_MAX_AGE="60")
    long, short = (
        site.client.get(site.sign("a.txt", shared=True, expires=timedelta(seconds=n)))
        for n in (3600, 31)
    )
    # The verdict may be a second old when the file is sent, and a cache gets the file
    # in the next one.
    assert long.headers["Cache-Control"] == "public, max-age=600, s-maxage=60"
    assert short.headers["Cache-Control"] == "public, max-age=30, s-maxage=29"


def test_without_the_setting_a_shared_link_is_as_private_as_any(site: Site) -> None:
    """The operator decides whether there are shared caches, not who signs."""
    answer = site.client.get(site.sign("a.txt", shared=True))
    assert answer.headers["Cache-Control"] == "private, max-age=600"


def test_shared_caches_store_nothing_but_shared_links(make_site: MakeSite) -> None:
    """What a person, a recipient or another link is given stays theirs."""
    site = make_site(
        GATEWAY_SHARED_MAX_AGE="60", GATEWAY_AUTHORIZE="http://127.0.0.1:5000/may-read"
    )
    ann = a_sharer(site)
    lease = ann.press(ann.link()).headers["Location"]
    own = f"/files/{ann.uploads[0]}/report.pdf"
    told = {
        "a lease": ann.stranger.get(lease),
        "the owner's": site.client.get(own, headers=ann.headers),
        "a link": site.client.get(site.sign("a.txt")),
        "the application's": site.client.get("/p/a.txt"),
    }
    assert {what: answer.headers["Cache-Control"] for what, answer in told.items()} == {
        "a lease": "private, max-age=600",
        "the owner's": "private, max-age=0",
        "a link": "private, max-age=600",
        "the application's": "private, max-age=0",
    }


@pytest.mark.usefixtures("ann")
def test_what_is_for_everybody_depends_on_nobodys_login(site: Site) -> None:
    """A cookie in the answer would be in the cache, and given to the next."""
    answer = site.client.get(site.sign("a.txt", shared=True))
    assert not {"Set-Cookie", "Vary"} & set(answer.headers.keys())
