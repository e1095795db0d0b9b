"""Damaged links, and which clean ones they lead to."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links import Key, KeyRing, LinkSigner, codes
from gateway.links.repair import MAXIMUM_CANDIDATES, Repair, candidates
from gateway.links.server_secret import ServerSecret, Use
from tests.vectors.damages import EVERY, SPELLINGS, damaged

RING = KeyRing((Key.generate(),))
SECRET = ServerSecret.generate()
REPAIR = Repair(RING, SECRET)
SITE = "https://files.example.com"
SIGNER = LinkSigner(RING, SITE)
#: Its MAC is another one in each run; all that a code may have stands in the id.
CODE = codes.mint(SECRET, Use.DROP, "01hjkmnpqrstvwxy")
DROP = f"{SITE}/u/{CODE}"
#: Two words in one, with a joiner that shows nothing.
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
SHARE = f"{SITE}/d/{codes.mint(SECRET, Use.SHARE, 'zyxwvtsrqpnmkj10')}"
LEASE = f"{SITE}/l/{codes.mint(SECRET, Use.LEASE, '10zyxwvtsrqpnmkj')}/open/1/q3.pdf"
EARLIER = f"{SITE}/u/{codes.mint_earlier(RING, 'abc234')}"


def signed(path: str = "reports/q3.pdf", *, folder: bool = False) -> str:
    return SIGNER.sign(path, expires=timedelta(days=7), folder=folder)


LINKS = {
    "signed URL": signed(),
    "name with blanks": signed("reports/Q3 of the board (final).pdf"),
    "name in brackets": signed("reports/Bericht (endgültig)"),
    "name in Persian": signed(f"reports/{PERSIAN}.pdf"),
    "drop link": DROP,
    "drop link of a link key": EARLIER,
    "share link": SHARE,
}
#: Of a lease the path is not signed, and may have any blank or equals sign.
EACH = pytest.mark.parametrize(
    "link", [*LINKS.values(), LEASE], ids=[*LINKS.keys(), "lease"]
)


def asked(url: str) -> str:
    """Return the path of a URL as Python gets it."""
    path = urlsplit(url).path if "?" in url else url.removeprefix(SITE)
    return unquote(path, errors="surrogateescape")


def mended(url: str) -> str | None:
    """Return what a refused request for *url* leads to."""
    return REPAIR.of_refused(asked(url))


@EACH
def test_each_damage_is_undone(link: str) -> None:
    """The whole table, for every kind of link."""
    found = {name: mended(damaged(text, link)) for name, text in EVERY.items()}
    assert found == dict.fromkeys(EVERY, link.removeprefix(SITE))


@pytest.mark.parametrize("link", [DROP, SHARE], ids=["drop link", "share link"])
def test_each_spelling_of_a_code_leads_to_its_one(link: str) -> None:
    """Typed, read aloud or put in capitals."""
    found = {name: mended(damaged(text, link)) for name, text in SPELLINGS.items()}
    assert found == dict.fromkeys(SPELLINGS, link.removeprefix(SITE))


@pytest.mark.parametrize(
    ("damage", "meant"),
    [
        pytest.param("/q3.pdf", None, id="a name is none"),
        pytest.param("/q3.pdf.", "/q3.pdf", id="at the end of a name"),
        pytest.param("./q3.pdf", "", id="before a name"),
        pytest.param("/", "", id="a slash"),
        pytest.param("/a/../../x", "", id="what leads elsewhere"),
        pytest.param("/.\u200b./x", "", id="what would lead elsewhere"),
    ],
)
def test_the_name_behind_a_share_link_is_its_own(
    damage: str, meant: str | None
) -> None:
    """It says nothing, and stays as long as the code before it is clean."""
    clean = SHARE.removeprefix(SITE)
    assert mended(SHARE + damage) == (None if meant is None else clean + meant)


def test_the_path_of_a_lease_is_not_signed() -> None:
    """So only what stands around it is damage, and a broken code."""
    code = LEASE.split("/")[4]
    path = "/1/my file=a.txt"
    clean = f"/l/{code}/1/my%20file%3Da.txt"
    assert mended(f"{SITE}/l/{code}{path}") is None
    assert mended(f"{SITE}/l/{code}{path})") == clean
    assert mended(f"{SITE}/l/{code[:9]}%0A{code[9:].upper()}{path}") == clean


@pytest.mark.parametrize(
    "damage", ["%0A", "%0D%0A", "%E2%80%8B", "=%0D%0A", "=", "%20"]
)
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_it_does_not_matter_where_a_link_is_broken(link: str, damage: str) -> None:
    """At each place behind the prefix, but within an escape, which nginx refuses."""
    begin = len(SITE) + len("/u/")
    places = [
        place for place in range(begin, len(link)) if "%" not in link[place - 2 : place]
    ]
    lost = [
        link[place:]
        for place in places
        if mended(link[:place] + damage + link[place:]) != link.removeprefix(SITE)
    ]
    assert lost == []


@EACH
def test_a_clean_link_leads_nowhere_else(link: str) -> None:
    """Who is refused it is not sent in a circle."""
    assert mended(link) is None
    assert REPAIR.of_pasted(asked(link)) == link.removeprefix(SITE)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(DROP[:-1], id="a letter of a code is cut"),
        pytest.param(DROP[: len(SITE) + 3 + 16], id="the MAC of a code is cut"),
        pytest.param(f"{SITE}/u/", id="all of a code is cut"),
        pytest.param(signed()[:-1], id="a letter of a path is cut"),
        pytest.param(signed().rpartition(".")[0][:-9], id="a MAC is cut"),
        pytest.param(f"{SITE}/u/{CODE[::-1]}.", id="a forged code"),
        pytest.param(f"{DROP[: len(SITE)]}/x/{CODE}.", id="another prefix"),
        pytest.param(signed().replace("q3", "q4") + ".", id="another path"),
        pytest.param(signed().upper(), id="a signed URL in capitals"),
        pytest.param(f"{SITE}/", id="no link"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_does_not_verify_leads_nowhere(link: str) -> None:
    """The signature alone tells a link."""
    assert mended(link) is None
    assert REPAIR.of_pasted(asked(link)) is None


def test_a_code_of_another_use_leads_nowhere() -> None:
    """It is tried for what its URL says."""
    other = "0" * 16 + SECRET.mac(Use.BROWSER, "0" * 16)
    assert mended(f"{SITE}/u/{other}.") is None


@pytest.mark.parametrize(
    ("asked_for", "meant"),
    [
        pytest.param("a.txt).", "a.txt", id="what stands around it"),
        pytest.param("a.txt</a>", "a.txt", id="the end of an element"),
        pytest.param("a.txthttps://a.example/b", "a.txt", id="another link"),
        pytest.param("a.\u200bt\nxt", "a.txt", id="what no name has"),
        pytest.param("a&b=c.txt.", "a&b=c.txt", id="what looks like a query"),
        pytest.param("a.txt", None, id="a name that is not there"),
        pytest.param("my file.txt", None, id="a name with a blank"),
        pytest.param("a=b.txt", None, id="a name with an equals sign"),
        pytest.param("x/. ./a.txt", None, id="what would become a dot segment"),
    ],
)
def test_in_a_folder_only_what_stands_around_is_damage(
    asked_for: str, meant: str | None
) -> None:
    """There each name verifies, so that the signature does not tell them apart."""
    folder = asked(signed("reports", folder=True))
    found = REPAIR.of_refused(folder + asked_for)
    assert found == (meant and folder + quote(meant))


def test_a_link_that_nginx_can_t_be_told_leads_nowhere() -> None:
    """Below a folder any path verifies, and a URL is longer than what it encodes."""
    folder = asked(signed("reports", folder=True))
    assert REPAIR.of_refused(f"{folder}{'!' * 3999}x.") is not None
    assert REPAIR.of_refused(f"{folder}{'!' * 1700}{'é' * 2200}x.") is None


@given(text=st.text(st.characters(codec="latin-1")))
def test_no_text_gives_more_candidates_than_are_tried(text: str) -> None:
    """Each costs a signature."""
    for prefix in ("/s/", "/u/", "/S/", "/U/", "/x/", ""):
        path = prefix + text.encode("latin-1").decode("utf-8", "surrogateescape")
        assert len(candidates(path)) <= MAXIMUM_CANDIDATES
        assert REPAIR.of_refused(path) is None


@given(st.sampled_from([*LINKS.values(), LEASE]), st.sampled_from([*EVERY.values()]))
def test_what_was_mended_once_stays_as_it_is(link: str, damage: str) -> None:
    """One redirect leads there."""
    clean = mended(damaged(damage, link))
    assert clean is not None
    assert mended(SITE + clean) is None
