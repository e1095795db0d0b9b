"""Who is probably a scanner: a label that a sender can read."""

from __future__ import annotations

import crawleruseragents
import pytest

from gateway.shares import scanners

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
IN_MAIL = [
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "WhatsApp/2.21.12.21 A",
    (
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com "
        "GoogleImageProxy)"
    ),
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Barracuda Sentinel (EE)",
]
PEOPLE = [
    CHROME,
    CHROME.replace("Chrome", "Edg/142.0.0.0 Chrome"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
    ),
    "Mozilla/5.0 (Linux; Android 9; CUBOT P20 Build/O11019; wv) AppleWebKit/537.36",
    "curl/8.14.1",
    "Wget/1.25.0",
    "aria2/1.37.0",
    "python-requests/2.34.2",
]


@pytest.mark.parametrize("agent", IN_MAIL)
def test_what_looks_into_mails_and_says_so_is_known(agent: str) -> None:
    assert scanners.is_known(agent)


@pytest.mark.parametrize("agent", PEOPLE)
def test_browsers_and_people_s_programs_are_not(agent: str) -> None:
    assert not scanners.is_known(agent)


def test_most_crawlers_that_anybody_has_named_are_known() -> None:
    """Programs that fetch by HTTP are what people use."""
    agents = [
        agent
        for crawler in crawleruseragents.CRAWLER_USER_AGENTS_DATA
        if "http-library" not in crawler.get("tags", [])
        for agent in crawler["instances"]
    ]
    known = [agent for agent in agents if scanners.is_known(agent)]
    assert len(agents) > 1000
    assert len(known) / len(agents) > 0.85


@pytest.mark.parametrize(
    ("agent", "has_language", "mailed", "label"),
    [
        pytest.param(CHROME, True, None, False, id="a browser"),
        pytest.param(CHROME, False, None, True, id="a browser without a language"),
        pytest.param("curl/8.14.1", False, None, False, id="a program"),
        pytest.param(IN_MAIL[0], True, None, True, id="a preview"),
        pytest.param(CHROME, True, 991, True, id="quicker than anybody reads"),
        pytest.param(CHROME, True, 990, False, id="as quick as somebody may be"),
        pytest.param(CHROME, True, 1001, False, id="before the mail: a clock was set"),
    ],
)
def test_some_give_themselves_away(
    *, agent: str, has_language: bool, mailed: int | None, label: bool
) -> None:
    found = scanners.is_probable(
        agent, has_language=has_language, mailed=mailed, now=1000
    )
    assert found is label
