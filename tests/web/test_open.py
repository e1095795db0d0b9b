"""A damaged link: asked for, and pasted into the box."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.vectors.damages import EVERY, QUERIES, SPELLINGS, damaged
from tests.vectors.wrappings import WRAPPINGS, wrapped
from tests.web.letterbox import a_letterbox
from tests.web.sharing import BROWSER, a_sharer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.test import TestResponse

    from tests.web.conftest import Site

HOST = "https://files.example.com"
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
MIMECAST = "https://protect-eu.mimecast.com/s/rADECvZvDhygB3?domain=files.example.com"


@pytest.fixture
def signed(site: Site) -> str:
    return site.sign("reports/Q3 (final) \u00e4.pdf")


@pytest.fixture
def drop(site: Site) -> str:
    return f"/u/{a_letterbox(site).code}"


@pytest.fixture
def share(site: Site) -> str:
    return a_sharer(site, "bob").link()


@pytest.fixture
def lease(site: Site, share: str) -> str:
    taken = site.client.post(share, headers=BROWSER)
    return taken.headers["Location"]


def pasted(site: Site, text: str, **headers: str) -> TestResponse:
    return site.client.post("/open", data={"link": text}, headers=headers)


def led_to(site: Site, texts: Iterable[str]) -> set[tuple[int, str | None]]:
    answers = [pasted(site, text) for text in texts]
    return {(a.status_code, a.headers.get("Location")) for a in answers}


# pasted


def test_the_page_has_the_box_and_begins_no_session(site: Site) -> None:
    answer = site.client.get("/open")
    assert answer.status_code == 200
    assert 'action="/open"' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "csrf" not in answer.text


def test_a_link_leads_where_it_was_meant_to(site: Site, signed: str, drop: str) -> None:
    for link in (signed, drop):
        texts = (link, HOST + link, HOST[8:] + link, f"  {HOST}{link}\r\n")
        assert led_to(site, texts) == {(303, link)}


def test_each_damage_is_undone(site: Site, signed: str, drop: str, share: str) -> None:
    codes = EVERY | SPELLINGS
    for link, damages in ((signed, EVERY), (drop, codes), (share, codes)):
        texts = [damaged(d, HOST + link) for d in (damages | QUERIES).values()]
        assert led_to(site, texts) == {(303, link)}


@pytest.mark.parametrize(
    "end", ["\r\n", "\r\n> ", "=\r\n", " ", "\t", "\u00ad"], ids=ascii
)
def test_a_link_may_be_broken_at_any_place(
    site: Site, signed: str, drop: str, end: str
) -> None:
    for link in (signed, drop):
        url = HOST + link
        # The host and the prefix must be there.
        places = range(len(HOST) + 3, len(url))
        assert led_to(site, (url[:p] + end + url[p:] for p in places)) == {(303, link)}


def test_what_a_filter_has_wrapped_is_unwrapped(
    site: Site, signed: str, drop: str
) -> None:
    for link in (signed, drop):
        texts = [wrapped(text, HOST + link) for text in WRAPPINGS.values()]
        assert led_to(site, texts) == {(303, link)}


def test_a_whole_mail_may_be_pasted(site: Site, signed: str, drop: str) -> None:
    for link in (signed, drop):
        mail = f"Dear Ann,\n\nhere it is <{HOST}{link}>.\n\nhttps://a.example/s/x/y\n"
        assert led_to(site, [mail]) == {(303, link)}


def test_whatever_host_is_pasted_the_answer_is_a_path_of_this_site(
    site: Site, drop: str
) -> None:
    hosts = ("https://evil.example", "//evil.example", "https://a@evil.example:1")
    assert led_to(site, (host + drop for host in hosts)) == {(303, drop)}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("hello", id="no link"),
        pytest.param(f"{HOST}/u/abcdefghjkmnpqrstvwxyz", id="a cut code"),
        pytest.param(f"{HOST}/u/{'0' * 40}", id="a forged code"),
        pytest.param(f"{HOST}/s/k1.e2.i3", id="a cut token"),
        pytest.param(f"{HOST}/login", id="another page"),
        pytest.param("https://evil.example/a", id="another site"),
        pytest.param("javascript:alert(1)//u/", id="script"),
        pytest.param("\0\ud7ff\uffff%00%ff/u/%ff\x7f", id="rubbish"),
        pytest.param("<script>/u/x</script>", id="markup"),
        pytest.param("/u/" * 10_000, id="long"),
    ],
)
def test_what_is_no_link_shows_the_box_once_more_and_is_not_repeated(
    site: Site, text: str
) -> None:
    answer = pasted(site, text, **HTML)
    assert answer.status_code == 404
    assert "The text does not contain a complete link of this site." in answer.text
    assert re.search(r"<textarea [^>]*></textarea>", answer.text)
    assert "Location" not in answer.headers
    assert "alert(1)" not in answer.text
    assert "abcdefgh" not in answer.text


def test_a_link_of_mimecast_is_told_that_it_can_t_be_unwrapped(
    site: Site, drop: str
) -> None:
    answer = pasted(site, f"see <{MIMECAST}>", **HTML)
    assert answer.status_code == 404
    assert "Mimecast" in answer.text
    assert led_to(site, [f"{MIMECAST} is {HOST}{drop}"]) == {(303, drop)}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        pytest.param("hello", "Page not found", id="no link"),
        pytest.param(MIMECAST, "The original link can't be found", id="Mimecast"),
    ],
)
def test_a_program_gets_a_problem(site: Site, text: str, title: str) -> None:
    answer = pasted(site, text, **JSON)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    problem: Any = answer.json
    assert problem["title"] == title


def test_a_link_in_the_query_is_not_opened(site: Site, drop: str) -> None:
    answer = site.client.get("/open", query_string={"link": HOST + drop})
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert drop not in answer.text


def test_the_box_of_a_refusal_s_page_opens_the_link(site: Site, drop: str) -> None:
    """The form is sent as a browser would send it."""
    refused = site.client.get(drop[:30], headers=HTML)
    form = re.search(r'<form method="post" action="([^"]+)"', refused.text)
    name = re.search(r'<textarea [^>]*name="([^"]+)"', refused.text)
    assert form
    assert name
    answer = site.client.post(form[1], data={name[1]: HOST + drop})
    assert (answer.status_code, answer.headers["Location"]) == (303, drop)


# asked for


def test_a_damaged_link_leads_to_the_clean_one_and_says_so_in_the_log(
    site: Site, signed: str, drop: str, share: str
) -> None:
    for link in (signed, drop, share):
        answer = site.client.get(f"{link}).")
        assert (answer.status_code, answer.headers["Location"]) == (308, link)
        assert answer.headers["X-Gateway-Reason"] == "repaired"
        assert answer.headers["Cache-Control"] == "no-store"


def test_nginx_is_told_the_way_in_the_headers_of_a_refusal(
    site: Site, signed: str
) -> None:
    answer = site.client.get(f"{signed}).", headers={"X-Verdict": "abc"})
    assert answer.status_code == 403
    assert answer.headers["X-Refusal-Status"] == "308"
    assert answer.headers["X-Refusal-Body"] == signed
    assert answer.headers["X-Gateway-Reason"] == "repaired"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_leads_on(site: Site, signed: str, drop: str, method: str) -> None:
    for link in (signed, drop):
        answer = site.client.open(f"{link}.", method=method)
        assert "Location" not in answer.headers
        assert answer.status_code != 308


def test_a_good_link_is_never_looked_at(
    site: Site, signed: str, drop: str, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repair is for what was refused: a delivery does not pay for it."""
    (site.files / "reports").mkdir()
    (site.files / "reports" / "Q3 (final) \u00e4.pdf").touch()
    monkeypatch.setattr("gateway.links.repair.Repair.of_refused", None)
    asked = {"X-Verdict": "abc"}
    answers = [site.client.get(link) for link in (signed, drop, share)]
    answers.append(site.client.get(signed, headers=asked))
    assert [answer.status_code for answer in answers] == [200] * 4
