"""What a cache may keep of the answers: deliveries, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.conftest import Site


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
