"""What a site installs that signs URLs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import ZipFile

import itsdangerous
import pytest

from gateway.links import Key

ROOT = Path(__file__).resolve().parents[2]
SIGN = """
import sys
from datetime import timedelta
from gateway.links import LinkSigner
signer = LinkSigner(sys.argv[1], "https://files.example.com")
print(signer.sign("reports/q3.pdf", expires=timedelta(days=7)))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages: the built wheel's, and itsdangerous."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", folder, ROOT),
        ],
        check=True,
    )
    (wheel,) = folder.glob("accel_gateway-*.whl")
    with ZipFile(wheel) as packed:
        packed.extractall(folder)
    source = Path(itsdangerous.__file__).parent
    (folder / source.name).symlink_to(source, target_is_directory=True)
    return folder


def test_it_requires_itsdangerous_alone(site: Path) -> None:
    (info,) = site.glob("*.dist-info")
    required = PathDistribution(info).requires or []
    assert [each for each in required if ";" not in each] == ["itsdangerous>=2.2"]


def test_it_signs_with_itsdangerous_alone(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", SIGN, str(Key.generate())],
        env={"PYTHONPATH": str(site)},
        cwd=site,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.stdout.startswith("https://files.example.com/s/"), done.stderr
