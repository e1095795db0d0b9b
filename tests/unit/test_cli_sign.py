"""``gateway sign``: each option becomes its claim, and only the URL is printed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from gateway.config.address import record_files, record_url
from gateway.links.claims import Presentation
from gateway.ownership import Owner
from gateway.storage.places import Places
from tests.live.disks import require_root
from tests.unit.command import NOON, RING, SITE, Run


def test_signing_prints_the_url_and_nothing_else(run: Run) -> None:
    """The output can be piped: one line, which is a URL that verifies."""
    ran = run("sign", "a/b.txt", "--expires", "1h")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{SITE}/s/k{RING.newest.id}.")
    assert ran.out.endswith("/a/b.txt\n")
    assert ran.out.count("\n") == 1
    assert run("inspect", ran.out.strip()).status == 0


@pytest.mark.parametrize(
    ("options", "claim", "value"),
    [
        pytest.param([], "presentation", None, id="no-presentation"),
        pytest.param(["--inline"], "presentation", Presentation.INLINE, id="inline"),
        pytest.param(
            ["--attachment"], "presentation", Presentation.ATTACHMENT, id="attachment"
        ),
        pytest.param(["--name", "Q3 \u2713.pdf"], "name", "Q3 \u2713.pdf", id="name"),
        pytest.param(["--rate", "1000"], "rate", 1000, id="rate"),
        pytest.param([], "shared", False, id="not-shared"),
        pytest.param(["--shared"], "shared", True, id="shared"),
        pytest.param(["--folder"], "depth", 2, id="folder"),
        pytest.param(
            ["--not-before", "2990-01-31T12:00", "--expires", "2990-02-01"],
            "not_before",
            int(NOON.timestamp()),
            id="not-before",
        ),
        pytest.param(
            ["--expires", "2990-01-31T12:00"],
            "expires",
            int(NOON.timestamp()),
            id="expires-at-a-moment",
        ),
    ],
)
def test_each_option_becomes_its_claim(
    run: Run, options: list[str], claim: str, value: object
) -> None:
    """What is asked for stands in the link, and what is not does not."""
    ran = run("sign", "a/b.txt", "--expires", "1h", *options)
    assert (ran.status, ran.err) == (0, "")
    assert getattr(ran.claims, claim) == value


def test_a_life_is_counted_from_now(run: Run) -> None:
    """A duration ends that long after the moment of signing."""
    claims = run("sign", "a/b.txt", "--expires", "7d").claims
    assert claims.expires == claims.issued + 7 * 86_400


def test_networks_may_be_given_more_than_once(run: Run) -> None:
    """Every network that is named is in the link, in the order given."""
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    ran = run(
        *("sign", "a/b.txt", "--expires", "1h"),
        *("--ip", networks[0], "--ip", networks[1]),
    )
    assert [str(network) for network in ran.claims.networks] == networks


def test_a_link_for_certain_networks_is_not_shared(run: Run) -> None:
    """A cache would deliver it to everybody: there is no such link."""
    ran = run("sign", "a/b.txt", "--expires", "1h", "--ip", "10.0.0.0/8", "--shared")
    assert (ran.status, ran.out) == (1, "")
    assert "can't be shared" in ran.err


def test_a_stable_link_ends_on_its_window(run: Run) -> None:
    """With a window the expiry is rounded up to it, so that caches see one URL."""
    claims = run("sign", "a/b.txt", "--expires", "1d", "--stable", "1h").claims
    assert claims.expires is not None
    assert claims.expires % 3600 == 0


def test_a_folder_link_ends_in_a_slash(run: Run) -> None:
    """Relative links inside the folder need the slash to lead into it."""
    assert run("sign", "a", "--folder", "--expires", "1h").out.endswith("/a/\n")


def test_a_link_without_an_end_must_be_asked_for(run: Run) -> None:
    """Neither expiry nor its absence is a default: forgetting it is wrong usage."""
    ran = run("sign", "a/b.txt")
    assert (ran.status, ran.out) == (2, "")
    assert "--no-expiry" in ran.err


def test_no_expiry_makes_a_link_without_an_end(run: Run) -> None:
    """Who says so gets a link that never expires."""
    ran = run("sign", "a/b.txt", "--no-expiry")
    assert (ran.status, ran.claims.expires) == (0, None)


def test_an_end_and_no_end_are_wrong_usage(run: Run) -> None:
    """The two contradict each other, so neither wins."""
    ran = run("sign", "a/b.txt", "--no-expiry", "--expires", "1h")
    assert (ran.status, ran.out) == (2, "")
    assert "either --expires or --no-expiry" in ran.err


def test_signing_prints_json_when_asked(run: Run) -> None:
    """A program gets the URL and all that it says in one object."""
    ran = run(
        *("sign", "a/b.txt", "--json", "--expires", "2990-01-31T12:00"),
        *("--ip", "192.0.2.0/24", "--rate", "9"),
    )
    assert (ran.status, ran.err) == (0, "")
    assert ran.facts["url"].startswith(f"{SITE}/s/")
    assert ran.facts["url"].endswith("/a/b.txt")
    assert ran.facts["path"] == "a/b.txt"
    assert ran.facts["expires"] == int(NOON.timestamp())
    assert ran.facts["networks"] == ["192.0.2.0/24"]
    assert ran.facts["rate"] == 9
    assert ran.facts["verifies"] is True


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("100%/a b?#.txt", id="URL-syntax"),
        pytest.param("\u65e5\u672c/\u00fc.txt", id="unicode"),
        pytest.param("-dash.txt", id="leading-dash"),
    ],
)
def test_a_path_is_encoded_once(run: Run, path: str) -> None:
    """Whatever a file is called, decoding the URL once gives its path again."""
    ran = run("sign", "--expires", "1h", "--", path)
    assert ran.out.isascii()
    assert unquote(ran.out.strip().split("/", 5)[5]) == path


@pytest.fixture
def tree(run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the files folder, beside what ``run`` made: a/b.txt."""
    del run  # it has changed to a folder of the test's own
    monkeypatch.setenv("GATEWAY_FILES", "files")
    return Path("files")


def warning(run: Run, *arguments: str) -> str:
    """Return what is said of a path; its link is made all the same."""
    ran = run("sign", "--expires", "1h", *arguments)
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    return ran.err.removeprefix("gateway: warning: ")


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    "arguments", [["a/c.txt"], ["c", "--folder"]], ids=["file", "folder"]
)
def test_what_is_not_there_is_warned_about(run: Run, arguments: list[str]) -> None:
    """A typing error shows at once, and yet a link may be made ahead of its file."""
    assert warning(run, *arguments) == (
        f"{arguments[0]}: nothing is served there yet (missing)\n"
    )


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["a/b.txt"], id="file"),
        pytest.param(["a", "--folder"], id="folder"),
        pytest.param(["", "--folder"], id="whole-tree"),
    ],
)
def test_what_is_there_is_not_warned_about(run: Run, arguments: list[str]) -> None:
    """Nothing is said when all is well."""
    assert warning(run, *arguments) == ""


@pytest.mark.parametrize(
    ("arguments", "shown", "fact"),
    [
        pytest.param(
            [".git", "--folder"], ".git", "dot-segment-or-hidden", id="hidden-folder"
        ),
        pytest.param(["a\nb"], r"a\nb", "control-character", id="control-character"),
    ],
)
def test_a_path_that_is_never_served_is_said_so(
    run: Run, arguments: list[str], shown: str, fact: str
) -> None:
    """Waiting for the file would not help; this needs no files folder to be known."""
    assert warning(run, *arguments) == (
        f"{shown}: no file is ever served at such a path ({fact})\n"
    )


def test_a_folder_that_is_signed_as_a_file_is_warned_about(
    run: Run, tree: Path
) -> None:
    """Its link would be 404 for ever, and the option is easily forgotten."""
    assert tree.is_dir()
    assert warning(run, "a") == (
        "a: is not a file; --folder makes a link to the files in it\n"
    )


@pytest.mark.usefixtures("tree")
def test_a_file_that_is_signed_as_a_folder_is_warned_about(run: Run) -> None:
    """Nothing lies below it, and the link does not cover the file itself."""
    assert warning(run, "a/b.txt", "--folder") == (
        "a/b.txt: is a file; --folder needs a folder\n"
    )


def test_a_link_out_of_the_tree_is_warned_about(run: Run, tree: Path) -> None:
    """It looks like a file, but the gateway does not deliver it."""
    (tree / "out").symlink_to("/etc/passwd")
    assert warning(run, "out") == (
        "out: leads out of the files folder and is not served\n"
    )


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("typed", "options", "signed"),
    [
        pytest.param("./a/b.txt", [], "a/b.txt", id="dot"),
        pytest.param("a/./b.txt", [], "a/b.txt", id="dot-inside"),
        pytest.param("{files}/a/b.txt", [], "a/b.txt", id="absolute"),
        pytest.param("{files}/./a//b.txt", [], "a/b.txt", id="absolute-and-untidy"),
        pytest.param("{real}/a/b.txt", [], "a/b.txt", id="behind-the-link"),
        pytest.param("a/", ["--folder"], "a/", id="folder"),
        pytest.param("./a/", ["--folder"], "a/", id="dot-folder"),
        pytest.param("{files}/a/", ["--folder"], "a/", id="absolute-folder"),
        pytest.param(".", ["--folder"], "", id="whole-tree"),
        pytest.param("./", ["--folder"], "", id="whole-tree-with-slash"),
        pytest.param("{files}", ["--folder"], "", id="absolute-whole-tree"),
    ],
)
def test_a_path_may_be_typed_as_a_shell_completes_it(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    options: list[str],
    signed: str,
) -> None:
    """What is signed is the one text that the gateway knows the file by."""
    real = Path("files").absolute()
    Path("link").symlink_to(real)
    monkeypatch.setenv("GATEWAY_FILES", "link")
    files = Path("link").absolute()
    path = typed.format(files=files, real=real)
    ran = run("sign", path, "--expires", "1h", *options)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.strip().split("/", 5)[5] == signed


@pytest.mark.usefixtures("tree")
def test_a_folder_that_was_completed_with_its_slash_is_asked_about(run: Run) -> None:
    """A slash alone does not widen a link to all that lies below."""
    assert warning(run, "a/") == (
        "a: is not a file; --folder makes a link to the files in it\n"
    )


@pytest.mark.parametrize("is_known", [True, False], ids=["elsewhere", "unknown"])
def test_an_absolute_path_outside_the_tree_is_wrong_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    """Its link would be dead; the line says what it is compared with."""
    monkeypatch.setenv("GATEWAY_FILES", "files" * is_known)
    ran = run("sign", "/etc/hostname", "--expires", "1h")
    assert (ran.status, ran.out) == (2, "")
    assert "files folder" in ran.err
    assert "/etc/hostname is" in ran.err


def test_what_is_missing_in_the_folder_that_was_served_last_is_warned_about(
    run: Run,
) -> None:
    """Beside a running gateway no GATEWAY_FILES has to be set."""
    Path("var").mkdir()
    record_files(Path("var"), Places.parse(str(Path("files").absolute())))
    assert warning(run, "a/b.txt") == ""
    assert warning(run, "a/c.txt") == (
        "a/c.txt: nothing is served there yet (missing)\n"
    )


def test_a_name_in_another_unicode_form_is_named(run: Run, tree: Path) -> None:
    """Both look the same, and only one is the file's: a shell can tell them apart."""
    (tree / "re\u0301sume\u0301").mkdir()
    (tree / "re\u0301sume\u0301" / "it's \u00e5.txt").touch()
    said = warning(run, "r\u00e9sum\u00e9/it's a\u030a.txt")
    shown = re.search(r"another Unicode form: (\S.*)$", said)
    assert shown is not None
    assert "nothing is served there yet (missing)" in said
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {shown[1]}"],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert printed.stdout.decode() == "re\u0301sume\u0301/it's \u00e5.txt"


@pytest.fixture
def service(tree: Path) -> Owner:
    """Give the data folder to another user, who can search the tree."""
    require_root()
    Path("var").mkdir()
    os.chown("var", 54_321, 54_322)
    for folder in (Path.cwd(), tree, tree / "a"):
        folder.chmod(0o755)
    return Owner.of(Path("var"))


@pytest.mark.parametrize(
    ("mode", "owner", "is_read"),
    [
        pytest.param(0o600, (0, 0), False, id="another-user-s"),
        pytest.param(0o604, (0, 0), True, id="for-all"),
        pytest.param(0o640, (0, 54_322), True, id="of-its-group"),
        pytest.param(0o400, (54_321, 0), True, id="its-own"),
        pytest.param(0o044, (54_321, 0), False, id="its-own-taken-away"),
    ],
)
def test_a_file_that_the_service_can_not_read_is_warned_about(
    run: Run,
    tree: Path,
    service: Owner,
    *,
    mode: int,
    owner: tuple[int, int],
    is_read: bool,
) -> None:
    """It looks well to root, who signs, and is 404 to who has the link."""
    file = tree / "a" / "b.txt"
    file.chmod(mode)
    os.chown(file, *owner)
    expected = {
        True: "",
        False: f"a/b.txt: can't be read by the user {service.name}, ",
    }
    assert warning(run, "a/b.txt").partition("which")[0] == expected[is_read]
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.usefixtures("service")
def test_a_folder_that_the_service_can_not_search_is_warned_about(
    run: Run, tree: Path
) -> None:
    """Every folder above the file counts."""
    (tree / "a").chmod(0o700)
    assert "can't be read" in warning(run, "a/b.txt")


def test_the_address_of_the_last_gateway_is_the_default(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a running ``gateway serve`` no address has to be set."""
    monkeypatch.delenv("GATEWAY_PUBLIC_URL")
    Path("var").mkdir()
    record_url(Path("var"), "http://127.0.0.1:8080")
    ran = run("sign", "a/b.txt", "--expires", "1h")
    assert ran.out.startswith("http://127.0.0.1:8080/s/")


def test_the_ring_of_the_data_folder_is_the_default(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a running ``gateway serve`` no key has to be set."""
    monkeypatch.delenv("GATEWAY_KEYS")
    key_id = run("keys", "new", "--add").out.strip()
    assert run("sign", "a/b.txt", "--expires", "1h").claims.key_id == key_id
