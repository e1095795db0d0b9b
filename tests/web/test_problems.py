"""The pages that a problem's ``type`` leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import escape

from gateway.http.explanations import BY_ERROR, BY_NAME, BY_STATUS

if TYPE_CHECKING:
    from tests.web.conftest import Site


def test_each_type_has_a_page_with_its_words(site: Site) -> None:
    faults = []
    for name, told in BY_NAME.items():
        answer = site.client.get(f"/problems/{name}")
        if answer.status_code != 200 or f"<h1>{escape(told.title)}<" not in answer.text:
            faults.append(name)
    assert faults == []
    assert len(BY_NAME) > 50


def test_no_two_errors_have_one_type_and_other_words() -> None:
    told = (*BY_ERROR.values(), *BY_STATUS.values())
    words = {(each.name, each.title) for each in told}
    assert len(words) == len(BY_NAME)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in BY_NAME)


def test_no_other_type_has_a_page(site: Site) -> None:
    assert site.client.get("/problems/nothing").status_code == 404
