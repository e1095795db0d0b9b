"""A path is resolved to a regular file inside the tree, or refused."""

from __future__ import annotations

import gc
import os
import stat
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from gateway.errors import NotServableError
from gateway.storage.paths import FilePath
from gateway.storage.tree import FilesTree
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 100


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a files tree, forbidden files beside it, and links to both."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    beside = tmp_path / "files-old"
    beside.mkdir()
    (beside / "old.txt").write_text("old")
    files = tmp_path / "files"
    (files / "sub/deep").mkdir(parents=True)
    (files / ".git").mkdir()
    for name in (
        "report.txt",
        "sub/deep/report.txt",
        ".env",
        ".git/config",
        "report.txt (deleted)",
        "odd (deleted)",
        "\u00fcml\u00e4ut \U0001f600.txt",
    ):
        (files / name).write_text(name)
    os.mkfifo(files / "fifo")
    os.mknod(files / "socket", stat.S_IFSOCK | 0o600)
    links = {
        "null": "/dev/null",
        "inside": "report.txt",
        "inside-absolute": f"{files}/report.txt",
        "inside-by-way-of-outside": "../files/report.txt",
        "deep": "sub/deep/report.txt",
        "sub/up": "../report.txt",
        "folder": "sub",
        "chain": "chain-2",
        "chain-2": "folder/deep/report.txt",
        "out": "../outside/secret.txt",
        "out-absolute": f"{outside}/secret.txt",
        "out-chain": "out",
        "out-folder": "../outside",
        "neighbour": "../files-old/old.txt",
        "dangling": "nowhere",
        "loop": "loop",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "hidden": ".env",
        "hidden-folder": ".git",
        "to-fifo": "fifo",
        "to-folder": "sub/deep",
        "proc": "/proc/self/environ",
    }
    for name, target in links.items():
        (files / name).symlink_to(target)
    return files


@pytest.fixture
def tree(root: Path) -> FilesTree:
    return FilesTree(root)


@pytest.fixture
def descriptors() -> Callable[[], int]:
    """Return a function that counts this process's open descriptors."""
    gc.collect()  # so that no leftover of another test is closed meanwhile
    return lambda: len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def replaced(root: Path) -> Iterator[None]:
    """Replace report.txt again and again while the test runs."""
    done = Event()

    def work() -> None:
        while not done.is_set():
            replace(root)

    thread = Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join(10)
    assert not thread.is_alive()


def outcome(tree: FilesTree, path: str) -> str:
    """Return where *path* was located, or the reason of its refusal in brackets."""
    try:
        return tree.locate(FilePath.parse(path)).path.text
    except NotServableError as refusal:
        return f"[{refusal.fact}]"


FOUND = [
    pytest.param("report.txt", "report.txt", id="file"),
    pytest.param("sub/deep/report.txt", "sub/deep/report.txt", id="file-in-folder"),
    pytest.param("odd (deleted)", "odd (deleted)", id="called-deleted"),
    pytest.param(
        "\u00fcml\u00e4ut \U0001f600.txt",
        "\u00fcml\u00e4ut \U0001f600.txt",
        id="unicode",
    ),
    pytest.param("inside", "report.txt", id="link"),
    pytest.param("inside-absolute", "report.txt", id="absolute-link"),
    pytest.param("inside-by-way-of-outside", "report.txt", id="link-out-and-in"),
    pytest.param("deep", "sub/deep/report.txt", id="link-into-folder"),
    pytest.param("sub/up", "report.txt", id="link-up"),
    pytest.param("folder/deep/report.txt", "sub/deep/report.txt", id="through-link"),
    pytest.param("to-folder/report.txt", "sub/deep/report.txt", id="linked-folder"),
    pytest.param("chain", "sub/deep/report.txt", id="chain"),
]
REFUSED = [
    pytest.param("nowhere", "missing", id="missing"),
    pytest.param("nowhere/report.txt", "missing", id="missing-folder"),
    pytest.param("report.txt/x", "missing", id="below-a-file"),
    pytest.param("sub", "not-a-file", id="folder"),
    pytest.param("to-folder", "not-a-file", id="link-to-folder"),
    pytest.param("fifo", "not-a-file", id="fifo"),
    pytest.param("to-fifo", "not-a-file", id="link-to-fifo"),
    pytest.param("socket", "not-a-file", id="socket"),
    pytest.param("null", "not-a-file", id="link-to-dev-null"),
    pytest.param("out", "outside", id="link-out"),
    pytest.param("out-absolute", "outside", id="absolute-link-out"),
    pytest.param("out-chain", "outside", id="chain-out"),
    pytest.param("out-folder/secret.txt", "outside", id="through-folder-link-out"),
    pytest.param("neighbour", "outside", id="same-prefix-neighbour"),
    pytest.param("proc", "outside", id="proc"),
    pytest.param("dangling", "missing", id="dangling"),
    pytest.param("loop", "missing", id="loop"),
    pytest.param("loop-a", "missing", id="loop-of-two"),
    pytest.param("hidden", "dot-segment-or-hidden", id="link-to-hidden"),
    pytest.param(
        "hidden-folder/config", "dot-segment-or-hidden", id="link-to-hidden-folder"
    ),
]


@pytest.mark.parametrize(("path", "real"), FOUND)
def test_a_file_is_located_by_its_real_path(
    tree: FilesTree, path: str, real: str
) -> None:
    """Links inside the tree are followed; the result has none."""
    assert tree.locate(FilePath.parse(path)).path.text == real


@pytest.mark.parametrize(("path", "fact"), REFUSED)
def test_a_path_to_no_file_of_the_tree_is_refused(
    tree: FilesTree, path: str, fact: str
) -> None:
    """Missing, special and hidden files and files outside the tree are refused."""
    with pytest.raises(NotServableError) as caught:
        tree.locate(FilePath.parse(path))
    assert caught.value.fact == fact


def test_a_link_to_a_name_that_is_not_utf_8_is_refused(
    tree: FilesTree, root: Path
) -> None:
    """A name that no header can carry is refused, not mangled."""
    target = Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt"))
    target.write_text("x")
    (root / "latin").symlink_to(target)
    assert outcome(tree, "latin") == "[not-utf-8]"


def test_a_path_longer_than_the_kernel_takes_is_missing(tree: FilesTree) -> None:
    """The root and the path together can be too long for the kernel."""
    assert outcome(tree, "/".join(["ab"] * 1365)) == "[missing]"


def test_the_root_may_be_a_symlink(root: Path, tmp_path: Path) -> None:
    """A deployment points the root at its current release."""
    (tmp_path / "current").symlink_to(root)
    tree = FilesTree(tmp_path / "current")
    assert outcome(tree, "inside-absolute") == "report.txt"


def test_a_swapped_root_counts_from_the_next_request(
    root: Path, tmp_path: Path
) -> None:
    """Swapping the root's link needs no reload."""
    release = tmp_path / "release-2"
    release.mkdir()
    (release / "new.txt").write_text("new")
    current = tmp_path / "current"
    current.symlink_to(root)
    tree = FilesTree(current)
    before = outcome(tree, "report.txt"), outcome(tree, "new.txt")
    fresh = tmp_path / "fresh"
    fresh.symlink_to(release)
    fresh.replace(current)
    after = outcome(tree, "report.txt"), outcome(tree, "new.txt")
    assert before == ("report.txt", "[missing]")
    assert after == ("[missing]", "new.txt")


def wait_for_a_tick(folder: Path) -> None:
    """Wait until a change gets a new ctime; old kernels update it in coarse steps."""
    probe = folder / "tick"
    probe.touch()
    begun = probe.stat().st_ctime_ns

    def has_ticked() -> bool:
        probe.touch()
        return probe.stat().st_ctime_ns > begun

    wait_until(has_ticked, what="the file system's clock ticks")
    probe.unlink()


def test_a_root_that_was_moved_is_found_by_its_link(root: Path, tmp_path: Path) -> None:
    """The folder is the same, but its path has changed."""
    (tmp_path / "current").symlink_to(root)
    tree = FilesTree(tmp_path / "current")
    before = outcome(tree, "sub/deep/report.txt")
    wait_for_a_tick(tmp_path)
    root.rename(tmp_path / "moved")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("moved")
    assert outcome(tree, "sub/deep/report.txt") == before == "sub/deep/report.txt"


def test_a_root_that_moved_with_a_parent_folder_is_found_at_the_second_request(
    root: Path, tmp_path: Path
) -> None:
    """The root itself shows no change; only its missing files do."""
    above = tmp_path / "above"
    above.mkdir()
    root.rename(above / "files")
    (tmp_path / "current").symlink_to("above/files")
    tree = FilesTree(tmp_path / "current")
    outcome(tree, "report.txt")
    above.rename(tmp_path / "elsewhere")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("elsewhere/files")
    outcome(tree, "report.txt")
    assert outcome(tree, "report.txt") == "report.txt"


def test_a_private_folder_that_was_moved_stays_private(root: Path, data: Path) -> None:
    """The path of a known private folder is checked again."""
    current = root.parent / "current"
    current.symlink_to(data)
    tree = FilesTree(root.parent, current)
    before = outcome(tree, "data/keys")
    wait_for_a_tick(root.parent)
    data.rename(root.parent / "moved")
    current.unlink()
    current.symlink_to("moved")
    assert outcome(tree, "moved/keys") == before == "[private]"


def test_a_link_into_the_former_root_leads_outside(root: Path, tmp_path: Path) -> None:
    """A former root is outside the tree like any other folder."""
    release = tmp_path / "release-2"
    release.mkdir()
    (release / "stale").symlink_to(root / "report.txt")
    assert outcome(FilesTree(release), "stale") == "[outside]"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _path: None, id="missing"),
        pytest.param(lambda path: path.write_text("x"), id="a-file"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="dangling"),
    ],
)
def test_without_a_root_every_file_is_missing(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """A missing root is no error: it has no files."""
    make(tmp_path / "no-root")
    assert outcome(FilesTree(tmp_path / "no-root"), "report.txt") == "[missing]"


def test_the_whole_file_system_can_be_the_tree(root: Path) -> None:
    """The root / has no name to cut off."""
    path = str(root / "report.txt").removeprefix("/")
    assert outcome(FilesTree(Path("/")), path) == path


def test_a_root_that_can_be_entered_is_readable(tree: FilesTree) -> None:
    """Readiness depends on the root."""
    assert tree.is_readable()


def test_a_missing_root_is_not_readable(tmp_path: Path) -> None:
    """An unmounted volume shows in the readiness check."""
    assert not FilesTree(tmp_path / "nowhere").is_readable()


def test_a_file_in_the_roots_place_is_not_readable(tmp_path: Path) -> None:
    """It exists, but can't be entered."""
    (tmp_path / "file").touch()
    assert not FilesTree(tmp_path / "file").is_readable()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make the gateway's own folder, which holds a key."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "keys").write_text("secret")
    return folder


def test_a_private_folder_in_the_tree_is_not_served(root: Path, data: Path) -> None:
    """A root that is swapped for one further up must not deliver the keys."""
    tree = FilesTree(root.parent, data)
    assert outcome(tree, "data/keys") == "[private]"
    assert outcome(tree, "files/report.txt") == "files/report.txt"


def test_a_link_to_a_private_folder_in_the_tree_is_not_served(
    root: Path, data: Path
) -> None:
    """A file's real path counts, not its name."""
    (root.parent / "plain").symlink_to(data)
    assert outcome(FilesTree(root.parent, data), "plain/keys") == "[private]"


def test_a_private_folder_is_known_through_its_links(root: Path, data: Path) -> None:
    """The setting may name a link, and the link may change."""
    current = root.parent / "current"
    current.symlink_to(root)
    tree = FilesTree(root.parent, current)
    current.unlink()
    current.symlink_to(data)
    assert outcome(tree, "data/keys") == "[private]"


def test_a_root_in_a_private_folder_serves_nothing(data: Path) -> None:
    """Nothing in the gateway's own folder is meant for others."""
    assert outcome(FilesTree(data, data), "keys") == "[private]"
    assert outcome(FilesTree(data, data.parent), "keys") == "[private]"


def test_a_private_folders_neighbour_is_served(root: Path, data: Path) -> None:
    """A folder with the same prefix in its name is not inside it."""
    (data.parent / "data-2").mkdir()
    (data.parent / "data-2" / "a.txt").touch()
    assert outcome(FilesTree(root.parent, data), "data-2/a.txt") == "data-2/a.txt"


def test_a_private_folder_that_is_not_there_hides_nothing(root: Path) -> None:
    """It is created at the first start."""
    tree = FilesTree(root, root / "nowhere")
    assert outcome(tree, "report.txt") == "report.txt"


def test_a_private_folder_that_can_not_be_found_hides_everything(root: Path) -> None:
    """In doubt, nothing is delivered."""
    tree = FilesTree(root, root / "loop")
    assert outcome(tree, "report.txt") == "[private]"


def test_a_deleted_file_is_missing_though_one_is_called_deleted(
    tree: FilesTree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's mark for a deleted file is not mistaken for a name."""
    after_open(monkeypatch, lambda: (root / "report.txt").unlink(missing_ok=True))
    assert outcome(tree, "report.txt") == "[missing]"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("sub/deep/report.txt", id="file"),
        pytest.param("report.txt", id="file-beside-one-called-deleted"),
    ],
)
def test_a_file_replaced_while_it_is_located_is_located_again(
    tree: FilesTree, root: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A rename at the wrong moment causes no 404."""
    after_open(monkeypatch, lambda: replace(root, path), times=3)
    assert outcome(tree, path) == path


def test_a_file_that_never_stays_is_refused_instead_of_tried_for_ever(
    tree: FilesTree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permanent renaming can't keep a worker busy."""
    after_open(monkeypatch, lambda: replace(root))
    assert outcome(tree, "report.txt") == "[changing]"


@pytest.mark.usefixtures("replaced")
def test_a_file_replaced_over_and_over_never_comes_out_wrong(tree: FilesTree) -> None:
    """The same holds against a real second thread."""
    seen = {outcome(tree, "report.txt") for _ in range(ROUNDS * 10)}
    assert "report.txt" in seen
    assert seen <= {"report.txt", "[changing]"}


@pytest.mark.usefixtures("replaced")
def test_a_link_to_a_file_replaced_over_and_over_never_comes_out_wrong(
    tree: FilesTree,
) -> None:
    """The same holds for a symlink to the file."""
    seen = {outcome(tree, "inside-absolute") for _ in range(ROUNDS * 10)}
    assert "report.txt" in seen
    assert seen <= {"report.txt", "[changing]"}


def test_no_call_leaves_a_descriptor_open(
    root: Path, descriptors: Callable[[], int]
) -> None:
    """Thousands of deliveries and refusals don't use up the descriptors."""
    tree = FilesTree(root, root.parent / "outside")
    paths = [str(case.values[0]) for case in [*FOUND, *REFUSED]]
    before = descriptors()
    for path in paths * 5:
        outcome(tree, path)
    assert descriptors() <= before


def replace(root: Path, path: str = "report.txt") -> None:
    """Replace the file *path* by another file."""
    fresh = root / "fresh"
    fresh.write_text("fresh")
    fresh.replace(root / path)


def after_open(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], object], times: int = 99
) -> None:
    """Run *change* right after a file is opened, so many *times*."""
    real_fstat = os.fstat
    left = iter(range(times))

    def fstat(descriptor: int) -> os.stat_result:
        result = real_fstat(descriptor)
        if next(left, None) is not None:
            change()
        return result

    monkeypatch.setattr(os, "fstat", fstat)


def test_the_files_below_a_folder_are_listed_by_path(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a/z.txt", "a/b/c.txt", "a/.hidden/x.txt", "a/.y", "other/x.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "a" / "out").symlink_to(tmp_path)
    (root / "a" / "in.txt").symlink_to(root / "other" / "x.txt")
    tree = FilesTree(root)
    found = tree.below(FilePath("a"), most=9)
    assert [(file.path.text, file.size) for file in found] == [
        ("a/in.txt", 11),
        ("a/z.txt", 7),
        ("a/b/c.txt", 9),
    ]
    assert tree.below(FilePath("a"), most=2) == found[:2]
    assert tree.below(FilePath("none"), most=2) == []


def test_a_search_of_a_tree_with_few_served_files_gives_up(
    tmp_path: Path,
) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / ".hidden").touch()
    (tmp_path / "99").mkdir()
    (tmp_path / "99" / "a.txt").touch()
    tree = FilesTree(tmp_path.parent)
    assert tree.below(FilePath(tmp_path.name), most=1) == []
    assert len(tree.below(FilePath(tmp_path.name), most=9)) == 1


@pytest.mark.parametrize(
    ("text", "is_folder"),
    [("a", True), ("a/b.txt", False), ("none", False), ("a/in", True)],
)
def test_a_folder_is_distinguished_from_a_file(
    tmp_path: Path, text: str, *, is_folder: bool
) -> None:
    (tmp_path / "a" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b.txt").touch()
    (tmp_path / "a" / "in").symlink_to("c")
    assert FilesTree(tmp_path).is_folder(FilePath(text)) is is_folder


def test_a_folder_outside_the_root_or_private_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root" / "data").mkdir(parents=True)
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    tree = FilesTree(tmp_path / "root", tmp_path / "root" / "data")
    for text in ("out", "data"):
        with pytest.raises(NotServableError):
            tree.is_folder(FilePath(text))
