"""The library with which another site mints its links."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ClaimsError, KeyRingError
from gateway.links import Key, KeyRing, LinkSigner
from gateway.links.claims import Claims, Presentation
from gateway.links.signed_url import verify

OLD = Key("old", "Yy7Pq2sWm4Zt8Rk1Vb6Nc3Xd9Lf5Jg0HhTq")
NEW = Key("new", "uP3xK8dQ1vR6nB9mT4wY7zC2fL5hJ0gSaEiO")
RING = KeyRing((NEW, OLD))
BASE = "https://files.example.com"
NOON = 1_800_000_000
HOUR = timedelta(hours=1)


def sign(path: str = "a.txt", *, now: float = NOON, **claims: Any) -> str:
    """Return the URL that a site mints at *now*."""
    signer = LinkSigner(RING, BASE, clock=lambda: now)
    return signer.sign(path, **{"expires": HOUR, **claims})


def claims_of(url: str) -> Claims:
    return Claims.parse(url.removeprefix(f"{BASE}/s/").split("/")[0].rpartition(".")[0])


def test_a_link_says_no_more_than_was_asked_for() -> None:
    """Path and expiry alone give the least claims, signed by the newest key."""
    url = sign("reports/q3.pdf")
    assert claims_of(url) == Claims(key_id="new", issued=NOON, expires=NOON + 3600)
    assert url.startswith(f"{BASE}/s/knew.e1800003600.i1800000000.")
    assert url.endswith("/reports/q3.pdf")


def test_a_link_verifies_with_the_ring_that_it_was_minted_with() -> None:
    """The library and the gateway agree on the signature."""
    token = sign("a.txt").split("/")[4]
    assert verify(RING, token, "a.txt").claims == claims_of(sign("a.txt"))


def test_the_newest_key_signs() -> None:
    """Putting a key first is all that rotation takes."""
    rotated = LinkSigner(f"{OLD},{NEW}", BASE).sign("a.txt", expires=HOUR)
    assert (claims_of(rotated).key_id, claims_of(sign()).key_id) == ("old", "new")


def test_keys_are_given_as_text_or_as_a_ring() -> None:
    """The text of ``GATEWAY_KEYS`` does as it is."""
    by_text = LinkSigner(str(RING), BASE, clock=lambda: NOON)
    assert by_text.sign("a.txt", expires=HOUR) == sign("a.txt")


def test_a_bad_key_is_refused_before_a_link_is_minted() -> None:
    """A site learns of it when it starts."""
    with pytest.raises(KeyRingError, match="the minimum is 32"):
        LinkSigner("a:short", BASE)


def test_the_base_may_end_in_a_slash() -> None:
    """``GATEWAY_PUBLIC_URL`` is taken in both its spellings."""
    slashed = LinkSigner(RING, f"{BASE}/", clock=lambda: NOON)
    assert slashed.sign("a.txt", expires=HOUR) == sign("a.txt")


def test_an_expiry_has_to_be_given() -> None:
    """A link that lives for ever is never the accident of a left-out word."""
    with pytest.raises(TypeError, match="expires"):
        LinkSigner(RING, BASE).sign("a.txt")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        pytest.param(timedelta(seconds=1), NOON + 1, id="a-second"),
        pytest.param(timedelta(days=7), NOON + 604_800, id="a-week"),
        pytest.param(datetime.fromtimestamp(NOON + 5, UTC), NOON + 5, id="a-moment"),
        pytest.param(
            datetime.fromtimestamp(NOON + 5, timezone(timedelta(hours=-9))),
            NOON + 5,
            id="a-moment-in-another-zone",
        ),
        pytest.param("never", None, id="never"),
    ],
)
def test_an_expiry_is_a_life_a_moment_or_never(
    expires: timedelta | datetime | str, expected: int | None
) -> None:
    """Each way of saying it ends in Unix seconds, or in none."""
    assert claims_of(sign(expires=expires)).expires == expected


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        pytest.param({"expires": timedelta(0)}, "at least one second", id="no-life"),
        pytest.param(
            {"expires": timedelta(milliseconds=999)},
            "at least one second",
            id="a-part-of-a-second",
        ),
        pytest.param(
            {"expires": timedelta.max}, "the year 9999", id="a-life-beyond-time"
        ),
        pytest.param(
            {"expires": datetime(2050, 1, 1)},  # noqa: DTZ001 -- that is the fault
            "no time zone",
            id="expiry-without-a-zone",
        ),
        pytest.param(
            {"not_before": datetime(2027, 1, 15)},  # noqa: DTZ001 -- same
            "no time zone",
            id="beginning-without-a-zone",
        ),
        pytest.param({"name": "a/b"}, "download name", id="name-with-a-slash"),
        pytest.param({"name": "."}, "dots and spaces", id="name-of-a-dot"),
        pytest.param({"name": ".."}, "dots and spaces", id="name-of-dots"),
        pytest.param({"name": " . "}, "dots and spaces", id="name-of-blanks"),
        pytest.param({"presentation": "x"}, "'x'", id="unknown-presentation"),
        pytest.param({"presentation": 1}, "presentation", id="no-presentation"),
        pytest.param({"expires": 5}, "not 5", id="expires-as-a-number"),
        pytest.param({"expires": "7d"}, "'7d'", id="expires-as-a-text"),
        pytest.param({"not_before": 5}, "not 5", id="beginning-as-a-number"),
        pytest.param({"stable": 60}, "not 60", id="window-as-a-number"),
        pytest.param({"path": None}, "not None", id="path-as-nothing"),
        pytest.param({"path": b"a"}, "not b'a'", id="path-in-bytes"),
        pytest.param({"networks": [5]}, "5", id="network-as-a-number"),
        pytest.param({"networks": 5}, "iterable", id="networks-as-a-number"),
        pytest.param({"networks": ["10.0.0.1/8"]}, "host bits", id="bits-set"),
        pytest.param({"networks": ["here"]}, "here", id="no-network"),
        pytest.param({"networks": "10.0.0.0/8"}, "'1'", id="a-text-for-a-list"),
        pytest.param({"stable": timedelta(0)}, "window", id="no-window"),
        pytest.param({"shared": "yes"}, "'yes'", id="shared-as-a-text"),
        pytest.param(
            {"shared": True, "networks": ["10.0.0.0/8"]},
            "can't be shared",
            id="shared-with-networks",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(claims: dict[str, Any], words: str) -> None:
    """The caller learns why; no dead link goes out."""
    with pytest.raises(ClaimsError, match=words):
        sign(**claims)


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
SPANS = st.timedeltas()
MOMENTS = st.datetimes(timezones=st.none() | st.just(UTC))


@given(
    path=st.text() | ANYTHING,
    asked=st.fixed_dictionaries(
        {"expires": SPANS | MOMENTS | st.just("never") | ANYTHING},
        optional={
            "not_before": MOMENTS | ANYTHING,
            "folder": st.booleans(),
            "presentation": st.sampled_from(["inline", "attachment"]) | ANYTHING,
            "name": ANYTHING,
            "rate": ANYTHING,
            "networks": st.lists(st.ip_addresses().map(str) | ANYTHING) | ANYTHING,
            "stable": SPANS | ANYTHING,
        },
    ),
)
def test_whatever_is_signed_verifies_and_all_else_is_refused(
    path: Any, asked: dict[str, Any]
) -> None:
    """No call gives a link that no gateway takes, nor another error."""
    assert all(verifies(url) for url in attempt(path, asked))


def attempt(path: Any, asked: dict[str, Any]) -> list[str]:
    """Return the URL, or nothing if it was refused as it should be."""
    try:
        return [LinkSigner(RING, BASE, clock=lambda: NOON).sign(path, **asked)]
    except ClaimsError:
        return []


def verifies(url: str) -> bool:
    token, _, encoded = url.removeprefix(f"{BASE}/s/").partition("/")
    return verify(RING, token, unquote(encoded)).claims == claims_of(url)


@pytest.mark.parametrize(
    ("asked", "claimed"),
    [
        pytest.param(
            {"not_before": datetime.fromtimestamp(NOON + 60, UTC)},
            {"not_before": NOON + 60},
            id="not-before",
        ),
        pytest.param(
            {"presentation": "inline"},
            {"presentation": Presentation.INLINE},
            id="inline",
        ),
        pytest.param(
            {"presentation": "attachment"},
            {"presentation": Presentation.ATTACHMENT},
            id="attachment",
        ),
        pytest.param(
            {"name": "\u0444\u043e\u0442\u043e.jpg"},
            {"name": "\u0444\u043e\u0442\u043e.jpg"},
            id="name",
        ),
        pytest.param({"rate": 1000}, {"rate": 1000}, id="rate"),
        pytest.param(
            {"networks": ["10.0.0.0/8", "2001:DB8::/32", "192.0.2.7"]},
            {
                "networks": (
                    ip_network("10.0.0.0/8"),
                    ip_network("2001:db8::/32"),
                    ip_network("192.0.2.7/32"),
                )
            },
            id="networks",
        ),
        pytest.param({"folder": True}, {"depth": 1}, id="folder"),
    ],
)
def test_each_option_is_one_claim(
    asked: dict[str, Any], claimed: dict[str, Any]
) -> None:
    """What is asked for stands in the link, and nothing beside it."""
    least: dict[str, Any] = {"key_id": "new", "issued": NOON, "expires": NOON + 3600}
    assert claims_of(sign("a.txt", **asked)) == Claims(**least | claimed)


@pytest.mark.parametrize(
    ("path", "depth", "ending"),
    [
        pytest.param("videos", 1, "/videos/", id="one-segment"),
        pytest.param("videos/intro", 2, "/videos/intro/", id="two-segments"),
        pytest.param("videos/intro/", 2, "/videos/intro/", id="final-slash"),
        pytest.param("a b/\u00e4", 2, "/a%20b/%C3%A4/", id="encoded"),
        pytest.param("", 0, "/", id="whole-tree"),
    ],
)
def test_a_folder_link_ends_in_a_slash(path: str, depth: int, ending: str) -> None:
    """Relative links inside the folder resolve below the token."""
    url = sign(path, folder=True)
    assert claims_of(url).depth == depth
    assert url.removeprefix(BASE).split("/", 3)[3] == ending[1:]


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("/", True, id="root"),
        pytest.param("a//", True, id="two-slashes"),
    ],
)
def test_a_path_that_is_not_plain_is_refused(path: str, folder: bool) -> None:  # noqa: FBT001
    """A path is relative and has neither empty nor dot segments."""
    with pytest.raises(ClaimsError):
        sign(path, folder=folder)


@given(
    now=st.integers(NOON, NOON + 10**7),
    life=st.integers(1, 10**6),
    window=st.integers(1, 10**5),
)
def test_a_stable_link_lives_at_least_its_life_and_less_than_a_window_more(
    now: int, life: int, window: int
) -> None:
    """The expiry is rounded up to a multiple of the window, never down."""
    url = sign(
        now=now, expires=timedelta(seconds=life), stable=timedelta(seconds=window)
    )
    expires = claims_of(url).expires or 0
    assert expires % window == 0
    assert now + life <= expires < now + life + window


@given(st.integers(0, 3599), st.integers(0, 3599))
def test_within_a_window_the_same_call_gives_the_same_url(one: int, two: int) -> None:
    """A browser's cache finds what it kept: 1800000000 begins an hour."""
    urls = {sign(now=NOON + 1 + at, stable=HOUR) for at in (one, two)}
    assert len(urls) == 1


def test_the_next_window_gives_another_url() -> None:
    """The URL changes once an hour, when the expiry moves on."""
    urls = [sign(now=NOON + at, stable=HOUR) for at in (0, 1, 3600, 3601)]
    assert urls[0] != urls[1] == urls[2] != urls[3]


@pytest.mark.parametrize(
    "expires",
    [
        pytest.param("never", id="never"),
        pytest.param(datetime.fromtimestamp(NOON + 86_400, UTC), id="a-moment"),
    ],
)
def test_a_fixed_end_is_stable_too(expires: datetime | str) -> None:
    """The end stays as it is, and issued is rounded down to the window."""
    urls = {sign(now=NOON + at, expires=expires, stable=HOUR) for at in (0, 1, 3599.9)}
    assert {claims_of(url).issued for url in urls} == {NOON}
    assert len(urls) == 1


def test_without_a_window_each_second_has_its_url() -> None:
    """Links are not made equal unless that is asked for."""
    assert sign(now=NOON) != sign(now=NOON + 1)
    assert sign(now=NOON) == sign(now=NOON + 0.999)


def test_other_claims_give_another_url_within_the_window() -> None:
    """A window makes equal what was asked for equally, and nothing else."""
    urls = {sign(path, stable=HOUR, rate=r) for path in ("a", "b") for r in (1, 2)}
    assert len(urls) == 4


def test_the_library_imports_itsdangerous_and_the_standard_library_alone() -> None:
    """A site that only mints links carries no Flask and no database."""
    script = (
        "import sys; before = set(sys.modules); import gateway.links; "
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(names - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == ["gateway", "itsdangerous"]


def test_the_library_imports_nothing_of_the_gateway_but_links_and_errors() -> None:
    """Signing knows no storage, no settings and no web."""
    script = "import sys, gateway.links; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    inner = {name for name in done.stdout.split() if name.startswith("gateway.")}
    assert {".".join(name.split(".")[:2]) for name in inner} == {
        "gateway.errors",
        "gateway.links",
    }
