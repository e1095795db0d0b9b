"""One request and one link become a delivery, or a refusal that says why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog.database import Database
from gateway.delivery.revocation_check import RevocationCheck
from gateway.delivery.verdict import (
    Delivery,
    InlinePolicy,
    Refusal,
    SignedURLJudge,
    Verdict,
)
from gateway.errors import (
    EarlyLinkError,
    ExpiredLinkError,
    ForeignClientError,
    ForgedLinkError,
    MalformedLinkError,
    NotServableError,
    RefusedError,
    UnknownKeyError,
)
from gateway.links import Key, KeyRing
from gateway.links.claims import Claims, Presentation
from gateway.links.signed_url import mint
from gateway.storage.content import DiskFile
from gateway.storage.media_types import MediaTypes
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.storage.files import FoundFile
    from gateway.storage.paths import FilePath

NOON = 1_800_000_000
CAP = 600
SHARED_CAP = 60
CLIENT = "192.0.2.7"
RING = KeyRing((Key.generate(),))
FORGERS = KeyRing((Key(RING.newest.id, "0123456789" * 4),))
RETIRED = KeyRing((Key("retired", "0123456789" * 4),))
TYPES = MediaTypes.read(
    Path(__file__).resolve().parents[2] / "nginx/snippets/media_types.conf"
)


@dataclass(frozen=True)
class LookedUp(FilesTree):
    """The files tree, which notes every path that is looked for."""

    looks: list[str] = field(default_factory=list)

    def locate(self, path: FilePath) -> FoundFile:
        """Note the path and look for it."""
        self.looks.append(path.text)
        return super().locate(path)


@pytest.fixture
def tree(tmp_path: Path) -> FilesTree:
    """Make a tree of a few files, one of them behind a link."""
    (tmp_path / "r").mkdir()
    for name in ("a.txt", "page.html", "i.svg", "film.mp4", "r/q3.pdf", "odd.xyz"):
        (tmp_path / name).touch()
    (tmp_path / "latest.txt").symlink_to("page.html")
    (tmp_path / "latest").symlink_to("r/q3.pdf")
    return FilesTree(tmp_path)


@pytest.fixture
def standing(migrated: Path) -> Iterator[RevocationCheck]:
    """Return the standing of links in a catalog in which nothing was taken back."""
    database = Database.open(f"sqlite:///{migrated}")
    yield RevocationCheck(database)
    database.engine.dispose()


@pytest.fixture
def judge(tree: FilesTree, standing: RevocationCheck) -> SignedURLJudge:
    """Return a judge of that tree, with a cap and no type opted in."""
    return SignedURLJudge(
        ring=RING,
        files=tree,
        types=TYPES,
        revocation_check=standing,
        cache_cap=CAP,
        shared_cap=SHARED_CAP,
        ttl=0,
        inline=InlinePolicy(),
    )


def token(path: str = "a.txt", ring: KeyRing = RING, **claims: Any) -> str:
    """Return a token for *path*, good for an hour around noon."""
    given = {"issued": NOON, "expires": NOON + 3600, **claims}
    return mint(ring, Claims(key_id=ring.newest.id, **given), path).split("/")[2]


def delivered(verdict: Verdict) -> Delivery:
    """Return the verdict as the delivery that it must be."""
    assert isinstance(verdict, Delivery)
    return verdict


def path(delivery: Delivery) -> str:
    assert isinstance(delivery.content, DiskFile)
    return delivery.content.path


def refused(verdict: Verdict) -> RefusedError:
    """Return the error of the refusal that the verdict must be."""
    assert isinstance(verdict, Refusal)
    return verdict.error


def ask(
    judge: SignedURLJudge,
    path: str = "a.txt",
    *,
    now: float = NOON,
    client: str = CLIENT,
    **claims: Any,
) -> Verdict:
    """Judge a request with a link that was made for just this path."""
    return judge.judge(
        f"{token(path, **claims)}/{path}".encode(), now=now, client=client
    )


def test_a_good_link_delivers_its_file(judge: SignedURLJudge, tree: FilesTree) -> None:
    """All that nginx must know about a delivery, from one plain link."""
    assert ask(judge) == Delivery(
        content=DiskFile("files", "a.txt", (tree.root / "a.txt").stat().st_size),
        name="a.txt",
        is_inline=True,
        max_age=CAP,
        rate=None,
    )


def test_a_folder_link_delivers_what_lies_in_the_folder(judge: SignedURLJudge) -> None:
    """The token is made for the folder and used for its file."""
    verdict = judge.judge(
        f"{token('r/', depth=1)}/r/q3.pdf".encode(), now=NOON, client=CLIENT
    )
    assert path(delivered(verdict)) == "r/q3.pdf"


def test_a_link_through_a_symlink_delivers_the_real_path(judge: SignedURLJudge) -> None:
    """The name stays that of the request: nobody sees where the link led."""
    verdict = delivered(ask(judge, "latest"))
    assert (path(verdict), verdict.name) == ("r/q3.pdf", "latest")


def test_the_claimed_name_wins_over_the_files(judge: SignedURLJudge) -> None:
    """Whoever made the link chose what the file is saved as."""
    assert delivered(ask(judge, name="Bericht.txt")).name == "Bericht.txt"


def test_the_claimed_rate_is_kept(judge: SignedURLJudge) -> None:
    """A rate is the link's alone: there is no other."""
    assert delivered(ask(judge, rate=4096)).rate == 4096


@pytest.mark.parametrize(
    ("claims", "now", "seconds"),
    [
        pytest.param({}, NOON, CAP, id="capped"),
        pytest.param({"expires": NOON + 59}, NOON, 59, id="as-long-as-the-link"),
        pytest.param({"expires": NOON + 59}, NOON + 0.5, 58, id="whole-seconds-only"),
        pytest.param({"expires": NOON + 1}, NOON + 0.5, 0, id="hardly-any-time"),
        pytest.param({"expires": None}, NOON, CAP, id="endless-link"),
    ],
)
def test_a_copy_is_never_kept_beyond_the_links_life_or_the_cap(
    judge: SignedURLJudge, claims: dict[str, Any], now: float, seconds: int
) -> None:
    """Rounded down: a browser's copy is stale before its link is over."""
    assert delivered(ask(judge, now=now, **claims)).max_age == seconds


@pytest.mark.parametrize(
    ("claims", "now", "ttl", "seconds"),
    [
        pytest.param({}, NOON, 0, SHARED_CAP, id="capped"),
        pytest.param({"expires": NOON + 9}, NOON, 0, 8, id="as-long-as-the-link"),
        pytest.param({"expires": NOON + 9}, NOON + 0.5, 0, 7, id="whole-seconds-only"),
        pytest.param(
            {"expires": NOON + 9}, NOON + 0.5, 7, 1, id="after-a-kept-verdict"
        ),
        pytest.param({"expires": NOON + 9}, NOON, 60, 0, id="no-time-after-a-verdict"),
        pytest.param({"expires": NOON + 1}, NOON + 0.9, 0, 0, id="hardly-any-time"),
        pytest.param({"expires": NOON + 61}, NOON, 0, SHARED_CAP, id="just-enough"),
        pytest.param({"expires": NOON + 60}, NOON, 0, 59, id="just-not-enough"),
        pytest.param({"expires": None}, NOON, 7, SHARED_CAP, id="endless-link"),
    ],
)
def test_a_shared_cache_never_stores_a_file_beyond_the_links_life_or_the_cap(
    judge: SignedURLJudge, claims: dict[str, Any], now: float, ttl: int, seconds: int
) -> None:
    """Even if it is sent in a verdict's last second, and arrives in the next one."""
    verdict = ask(replace(judge, ttl=ttl), now=now, shared=True, **claims)
    assert delivered(verdict).shared_max_age == seconds


def test_a_link_that_is_not_shared_is_for_no_shared_cache(
    judge: SignedURLJudge,
) -> None:
    """The setting alone opens nothing."""
    assert delivered(ask(judge)).shared_max_age == 0


@pytest.mark.parametrize(
    ("claims", "ttl", "now", "until"),
    [
        pytest.param({}, 1, NOON, NOON + 1, id="one-second"),
        pytest.param({}, 1, NOON + 0.9, NOON + 1, id="to-the-second-at-most"),
        pytest.param({}, 7, NOON + 0.9, NOON + 7, id="several-seconds"),
        pytest.param({}, 0, NOON, None, id="never-kept"),
        pytest.param(
            {"expires": NOON + 3}, 7, NOON, NOON + 3, id="until-the-link-ends"
        ),
        pytest.param({"expires": NOON + 1}, 7, NOON + 0.9, NOON + 1, id="last-second"),
        pytest.param({"expires": None}, 7, NOON, NOON + 7, id="endless-link"),
        pytest.param({"not_before": NOON + 9}, 7, NOON, NOON + 7, id="forgiven-early"),
        pytest.param(
            {"networks": (ip_network("192.0.2.0/24"),)},
            7,
            NOON,
            None,
            id="for-some-clients-only",
        ),
    ],
)
def test_a_verdict_stands_for_its_time_and_never_beyond_the_links(
    judge: SignedURLJudge,
    claims: dict[str, Any],
    ttl: int,
    now: float,
    until: int | None,
) -> None:
    """Whole seconds, which is what nginx counts in; for one client it never stands."""
    verdict = delivered(ask(replace(judge, ttl=ttl), now=now, **claims))
    assert verdict.valid_until == until


@pytest.mark.parametrize(
    ("ttl", "overlap"),
    [
        pytest.param(1, 0, id="one-second"),
        pytest.param(2, 1, id="two-seconds"),
        pytest.param(60, 1, id="a-minute"),
    ],
)
def test_a_verdict_is_renewed_in_its_last_second_if_it_has_others(
    judge: SignedURLJudge, ttl: int, overlap: int
) -> None:
    """One request asks for the next, and nobody has to wait for it."""
    verdict = delivered(ask(replace(judge, ttl=ttl)))
    assert verdict.valid_until == NOON + ttl
    assert verdict.renew_from == NOON + ttl - overlap


def test_a_copy_sent_at_a_verdicts_end_is_not_kept_beyond_the_link(
    judge: SignedURLJudge,
) -> None:
    """The same verdict tells each client the same number of seconds."""
    verdict = ask(replace(judge, ttl=7), now=NOON + 0.5, expires=NOON + 59)
    assert delivered(verdict).max_age == 59 - 7


@pytest.mark.parametrize(
    ("path", "requested", "is_inline"),
    [
        pytest.param("a.txt", None, True, id="inert"),
        pytest.param("a.txt", Presentation.ATTACHMENT, False, id="inert-to-be-saved"),
        pytest.param("page.html", None, False, id="scriptable"),
        pytest.param("page.html", Presentation.INLINE, False, id="scriptable-inline"),
        pytest.param("i.svg", Presentation.INLINE, False, id="svg-inline"),
        pytest.param("odd.xyz", Presentation.INLINE, False, id="unknown-inline"),
        pytest.param("latest.txt", Presentation.INLINE, False, id="html-behind-a-link"),
        pytest.param("latest", None, True, id="pdf-behind-a-link"),
    ],
)
def test_only_inert_files_are_shown(
    judge: SignedURLJudge,
    path: str,
    requested: Presentation | None,
    is_inline: bool,  # noqa: FBT001 -- the table's third column
) -> None:
    """The real file's type decides; a link can only take a showing back."""
    verdict = delivered(ask(judge, path, presentation=requested))
    assert verdict.is_inline is is_inline


def test_the_claimed_name_does_not_decide_what_is_shown(judge: SignedURLJudge) -> None:
    """A page that is called a.png is sent, by nginx, as the page that it is."""
    assert not delivered(ask(judge, "page.html", name="a.png")).is_inline


@pytest.mark.parametrize(
    ("requested", "is_inline"),
    [
        pytest.param(None, True, id="no-requested"),
        pytest.param(Presentation.ATTACHMENT, False, id="attachment"),
    ],
)
def test_a_type_that_the_operator_opted_in_is_shown(
    judge: SignedURLJudge,
    requested: Presentation | None,
    is_inline: bool,  # noqa: FBT001 -- the table's second column
) -> None:
    """The operator may know that all SVGs here are his own."""
    judge = replace(judge, inline=InlinePolicy(frozenset({"image/svg+xml"})))
    assert delivered(ask(judge, "i.svg", presentation=requested)).is_inline is is_inline
    assert not delivered(ask(judge, "page.html", presentation=requested)).is_inline


@pytest.mark.parametrize(
    ("claims", "now", "client", "error"),
    [
        pytest.param({}, NOON + 3600, CLIENT, ExpiredLinkError, id="expired"),
        pytest.param(
            {"not_before": NOON + 61}, NOON, CLIENT, EarlyLinkError, id="too-early"
        ),
        pytest.param(
            {"networks": (ip_network("10.0.0.0/8"),)},
            NOON,
            CLIENT,
            ForeignClientError,
            id="from-elsewhere",
        ),
        pytest.param(
            {"networks": (ip_network("10.0.0.0/8"),)},
            NOON,
            "",
            ForeignClientError,
            id="from-nowhere",
        ),
    ],
)
def test_a_genuine_link_that_does_not_hold_now_is_refused(
    judge: SignedURLJudge,
    claims: dict[str, Any],
    now: float,
    client: str,
    error: type[RefusedError],
) -> None:
    """Time and place come from the request and not from the process."""
    verdict = ask(judge, now=now, client=client, **claims)
    assert type(refused(verdict)) is error


@pytest.mark.parametrize(
    ("link", "raw_path", "error"),
    [
        pytest.param("rubbish", b"a.txt", MalformedLinkError, id="no-token"),
        pytest.param(token()[:-1], b"a.txt", ForgedLinkError, id="cut-token"),
        pytest.param(token(ring=FORGERS), b"a.txt", ForgedLinkError, id="another-key"),
        pytest.param(token(ring=RETIRED), b"a.txt", UnknownKeyError, id="retired-key"),
        pytest.param(token("gone.txt"), b"gone.txt", NotServableError, id="missing"),
        pytest.param(token("r"), b"r", NotServableError, id="a-folder"),
        pytest.param(token("r/", depth=1), b"r/", NotServableError, id="folder-itself"),
        pytest.param(
            token("r/", depth=1), b"r/../a.txt", NotServableError, id="out-of-folder"
        ),
        pytest.param(token(), b"\xff", NotServableError, id="not-utf-8"),
    ],
)
def test_a_link_that_does_not_cover_a_file_is_refused(
    judge: SignedURLJudge, link: str, raw_path: bytes, error: type[RefusedError]
) -> None:
    """Refusals are values: no bad input gets out as an exception."""
    verdict = judge.judge(link.encode() + b"/" + raw_path, now=NOON, client=CLIENT)
    assert type(refused(verdict)) is error


@pytest.mark.parametrize(
    ("claims", "now", "client"),
    [
        pytest.param({"ring": FORGERS}, NOON, CLIENT, id="forged"),
        pytest.param({"ring": RETIRED}, NOON, CLIENT, id="retired-key"),
        pytest.param({}, NOON + 3600, CLIENT, id="expired"),
        pytest.param({"not_before": NOON + 61}, NOON, CLIENT, id="early"),
        pytest.param(
            {"networks": (ip_network("10.0.0.0/8"),)}, NOON, CLIENT, id="foreign"
        ),
    ],
)
def test_the_tree_is_not_looked_at_for_a_refused_link(
    judge: SignedURLJudge,
    tmp_path: Path,
    claims: dict[str, Any],
    now: float,
    client: str,
) -> None:
    """Neither status nor timing tells a stranger what lies in the tree."""
    tree = LookedUp(tmp_path)
    judge = replace(judge, files=tree)
    refused(ask(judge, now=now, client=client, **claims))
    assert tree.looks == []


def test_the_tree_is_looked_at_once_for_a_good_link(
    judge: SignedURLJudge, tmp_path: Path
) -> None:
    """The one look is what the delivery is made of."""
    tree = LookedUp(tmp_path)
    delivered(ask(replace(judge, files=tree)))
    assert tree.looks == ["a.txt"]
