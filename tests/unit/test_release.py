"""What a release contains, and which commits ``make release`` refuses."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

from gateway import __version__
from tests.live.checkout import Checkout

ROOT: Final = Path(__file__).resolve().parents[2]
VENDOR: Final = "gateway/web/static/vendor"
#: From npm, made by deploy/take-scripts.sh.
SCRIPTS: Final = {f"{VENDOR}/tus.min.js", f"{VENDOR}/tus.LICENSE.txt"}

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="git says which files a checkout has"
)


def build(source: Path, folder: Path, *targets: str) -> None:
    options = [option for target in targets for option in ("-t", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder, *options],
        cwd=source,
        check=True,
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist and the wheel of a checkout."""
    home = tmp_path_factory.mktemp("release")
    checkout = Checkout(home / "checkout")
    for script in SCRIPTS:
        (checkout.home / script).parent.mkdir(parents=True, exist_ok=True)
        (checkout.home / script).write_text("from npm\n")
    # What a checkout has besides, and a release must not.
    for name in ("var/keys", "node_modules/a/a.js", "dist/old.whl", "gateway/a.pyc"):
        (checkout.home / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout.home / name).write_text("private\n")
    build(checkout.home, home / "dist")
    return home / "dist"


@pytest.fixture(scope="module")
def unpacked(dist: Path) -> Path:
    """Return the top folder of the unpacked sdist."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(dist.parent / "unpacked", filter="data")
    (top,) = (dist.parent / "unpacked").iterdir()
    return top


def tracked(*paths: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, check=True
    )
    return {*filter(None, listed.stdout.decode().split("\0"))}


def test_the_sdist_is_what_git_knows_and_the_scripts_from_npm(unpacked: Path) -> None:
    files = {
        str(path.relative_to(unpacked))
        for path in unpacked.rglob("*")
        if path.is_file()
    }
    assert files == tracked() | SCRIPTS | {"PKG-INFO"}
    assert unpacked.name == f"accel_gateway-{__version__}"


def test_the_wheel_is_the_package_with_templates_and_scripts(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with ZipFile(wheel) as packed:
        files = {name for name in packed.namelist() if ".dist-info/" not in name}
    assets = tracked("nginx", "gunicorn.conf.py")
    assert files == (
        tracked("gateway") | SCRIPTS | {f"gateway/_assets/{name}" for name in assets}
    )
    assert wheel.name == f"accel_gateway-{__version__}-py3-none-any.whl"


def test_the_sdist_builds_the_same_wheel(
    dist: Path, unpacked: Path, tmp_path: Path
) -> None:
    build(unpacked, tmp_path, "wheel")
    (first,), (second,) = dist.glob("*.whl"), tmp_path.glob("*.whl")
    assert hashlib.sha256(first.read_bytes()).digest() == (
        hashlib.sha256(second.read_bytes()).digest()
    )


class Committed:
    """A repository with one commit, of a version of the gateway."""

    def __init__(self, home: Path, version: str) -> None:
        checkout = Checkout(home)
        checkout.use_installed()
        self.home = home
        # (!) No engine answers there: a release that is not refused builds no image.
        self.environment = checkout.environment | {"DOCKER_HOST": f"unix://{home}/no"}
        text = f'"""A gateway."""\n\n__version__ = "{version}"\n'
        (home / "gateway" / "__init__.py").write_text(text)
        author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "a"]):
            subprocess.run(["git", *command], cwd=home, check=True)

    def refused(self) -> str:
        """Return why no release is built."""
        done = subprocess.run(
            ["deploy/make-release.sh"],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stdout
        return done.stderr


def test_a_change_that_is_not_committed_is_refused(tmp_path: Path) -> None:
    committed = Committed(tmp_path, "1.0.dev0")
    (tmp_path / "README.md").write_text("changed\n")
    (tmp_path / "new").touch()
    assert committed.refused() == (
        "no release was built: these files are not committed:\n M README.md\n?? new\n"
    )


def test_a_version_without_a_section_in_the_changelog_is_refused(
    tmp_path: Path,
) -> None:
    assert Committed(tmp_path, "9.9.9").refused() == (
        "no release was built: CHANGELOG.md has no section [9.9.9]\n"
    )


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("0.1.0", id="a version of the changelog"),
        pytest.param("9.9.9.dev0", id="a development version"),
    ],
)
def test_other_versions_are_built(tmp_path: Path, version: str) -> None:
    """They get as far as the engine, which is missing here."""
    assert "need a Docker engine" in Committed(tmp_path, version).refused()
