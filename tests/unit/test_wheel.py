"""What a site installs that signs URLs or sends files, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PathDistribution
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

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
#: Views that nginx answers, and after that the framework itself.
SEND_BY_FLASK = """
import sys
from flask import Flask
from gateway.flask import send
app = Flask("site")
app.config["GATEWAY_FILES"] = sys.argv[1]
with app.test_request_context():
    print(send("a.txt").headers["X-Accel-Redirect"])
    app.config["GATEWAY_NGINX"] = False
    print(send("a.txt").headers["Content-Type"])
"""
SEND_BY_DJANGO = """
import sys
from django.conf import settings
settings.configure(GATEWAY_FILES=sys.argv[1])
from gateway.django import send
print(send("a.txt")["X-Accel-Redirect"])
settings.GATEWAY_NGINX = False
print(send("a.txt")["Content-Type"])
"""
#: What pip installs with each framework.
FLASK = ("flask", "werkzeug", "jinja2", "markupsafe", "click", "blinker")
DJANGO = ("django", "asgiref", "sqlparse")


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
    add(folder, "itsdangerous")
    return folder


def add(folder: Path, *packages: str) -> None:
    """Put installed *packages* into a folder of packages."""
    for name in packages:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        (folder / name).symlink_to(Path(spec.origin).parent, target_is_directory=True)


def run(script: str, argument: str, *folders: Path) -> str:
    """Return what a script prints that finds the packages of *folders* alone."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, argument],
        env={"PYTHONPATH": ":".join(map(str, folders))},
        cwd=folders[0],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_requires_itsdangerous_alone(site: Path) -> None:
    (info,) = site.glob("*.dist-info")
    required = PathDistribution(info).requires or []
    assert [each for each in required if ";" not in each] == ["itsdangerous>=2.2"]


def test_it_signs_with_itsdangerous_alone(site: Path) -> None:
    signed = run(SIGN, str(Key.generate()), site)
    assert signed.startswith("https://files.example.com/s/")


@pytest.mark.parametrize(
    ("script", "packages"),
    [
        pytest.param(SEND_BY_FLASK, FLASK, id="flask"),
        pytest.param(SEND_BY_DJANGO, DJANGO, id="django"),
    ],
)
def test_a_view_sends_with_itsdangerous_and_its_framework_alone(
    site: Path, tmp_path: Path, script: str, packages: tuple[str, ...]
) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    framework = tmp_path / "framework"
    framework.mkdir()
    add(framework, *packages)
    printed = run(script, str(tmp_path), site, framework)
    assert printed == "/_shown_files/a.txt\ntext/plain; charset=utf-8\n"
