"""The examples of docs/views.md and docs/migrating.md do what the pages say."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.test.utils import override_settings
from flask import Flask

from gateway.links import Key, KeyRing
from gateway.links.claims import Presentation
from gateway.links.signed_url import PREFIX, SignedURL, verify
from tests.lacking import lacking
from tests.live.shown import PLACE, blocks
from tests.unit import django_project

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

assert django_project

VIEWS: Final = "docs/views.md"
MIGRATING: Final = "docs/migrating.md"
RING = KeyRing((Key.generate(), Key.generate()))
CONTENT: Final = b"%PDF-1.7"
#: The sections with Python, and how many blocks each has.
PYTHON: Final = {
    (VIEWS, "## In the view"): 2,
    (MIGRATING, "## Flask's send_file"): 2,
    (MIGRATING, "## Django's FileResponse"): 2,
    (MIGRATING, "## django-sendfile2"): 4,
    (MIGRATING, "## nginx's secure_link"): 2,
    (MIGRATING, "## S3 presigned URLs"): 2,
}


def may_read(user: str, what: object) -> bool:
    """Let everybody read but the one who may not."""
    del what
    return user != "stranger"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return what stands for /srv/files, with one report."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "q3.pdf").write_bytes(CONTENT)
    return tmp_path


def python(page: str, section: str) -> list[str]:
    """Return the Python blocks of a section."""
    shown = blocks(page, "python", section=section)
    assert len(shown) == PYTHON[page, section]
    return shown


def run(code: str, files: Path, **names: Any) -> dict[str, Any]:
    """Return the names that an example defines, with *files* for /srv/files."""
    names = {"may_read": may_read, **names}
    exec(code.replace("/srv/files", str(files)), names)  # noqa: S102 -- it is what is tested
    return names


def test_every_python_example_is_run_here() -> None:
    """One that is added is not finished before its test."""
    shown = {page: blocks(page, "python") for page in (VIEWS, MIGRATING)}
    sections = [(page, python(page, section)) for page, section in PYTHON]
    for page, all_blocks in shown.items():
        assert [b for p, found in sections if p == page for b in found] == all_blocks


FLASK: Final = [
    pytest.param(VIEWS, "## In the view", 0, id="view"),
    pytest.param(MIGRATING, "## Flask's send_file", 0, id="before"),
    pytest.param(MIGRATING, "## Flask's send_file", 1, id="after"),
]


def flask_site(page: str, section: str, number: int, files: Path) -> FlaskClient:
    app = Flask("site")
    app.config["GATEWAY_NGINX"] = False
    user = SimpleNamespace(name="friend")
    run(python(page, section)[number], files, app=app, current_user=user)
    return app.test_client()


@pytest.mark.parametrize(("page", "section", "number"), FLASK)
def test_a_flask_example_sends_the_report(
    files: Path, page: str, section: str, number: int
) -> None:
    site = flask_site(page, section, number, files)
    with site.get("/reports/q3.pdf") as answer:
        assert (answer.status_code, answer.data) == (200, CONTENT)
        assert answer.headers["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(("page", "section", "number"), FLASK)
@pytest.mark.parametrize("name", ["missing.pdf", "%2e%2e", ".."])
def test_a_flask_example_sends_nothing_else(
    files: Path, page: str, section: str, number: int, name: str
) -> None:
    site = flask_site(page, section, number, files)
    assert site.get(f"/reports/{name}").status_code == 404


@pytest.mark.parametrize(("page", "section", "number"), FLASK)
def test_a_flask_example_asks_who_may_read(
    files: Path, page: str, section: str, number: int
) -> None:
    app = Flask("site")
    run(python(page, section)[number], files, app=app, current_user="stranger")
    assert app.test_client().get("/reports/q3.pdf").status_code == 403


def test_both_ways_of_flask_save_the_file_and_keep_it_as_long(files: Path) -> None:
    before, after = (
        flask_site(MIGRATING, "## Flask's send_file", number, files)
        for number in (0, 1)
    )
    with before.get("/reports/q3.pdf") as old, after.get("/reports/q3.pdf") as new:
        kinds = [each.headers["Content-Disposition"] for each in (old, new)]
        kept = [each.headers["Cache-Control"] for each in (old, new)]
    assert kinds == ["attachment; filename=q3.pdf", 'attachment; filename="q3.pdf"']
    assert kept == ["public, max-age=3600", "private, max-age=3600"]


def document(files: Path, **changes: Any) -> SimpleNamespace:
    """Return what stands for a row of a model with a FileField."""
    name = changes.pop("name", "reports/q3.pdf")
    file = SimpleNamespace(name=name, open=(files / name).open)
    return SimpleNamespace(file=file, title="Q3.pdf", **changes)


#: Django's views: section, which block has the view, and which has the settings.
DJANGO: Final = [
    pytest.param(VIEWS, "## In the view", 1, None, id="view"),
    pytest.param(MIGRATING, "## Django's FileResponse", 0, None, id="file-before"),
    pytest.param(MIGRATING, "## Django's FileResponse", 1, None, id="file-after"),
    pytest.param(MIGRATING, "## django-sendfile2", 1, 0, id="sendfile-before"),
    pytest.param(MIGRATING, "## django-sendfile2", 3, 2, id="sendfile-after"),
]


class DjangoSite:
    """The view of an example, and the settings that the page shows with it."""

    def __init__(
        self, files: Path, page: str, section: str, view: int, settings: int | None
    ) -> None:
        shown = python(page, section)
        names = run(shown[view], files)
        self._view = names.get("report") or names["download"]
        self._takes_a_document = "download" in names
        self._files = files
        self.settings: dict[str, Any] = {"GATEWAY_FILES": files}
        if settings is not None:
            shown_settings = run(shown[settings], files)
            self.settings = {k: v for k, v in shown_settings.items() if k.isupper()}

    def ask(self, user: str = "friend", name: str = "q3.pdf", **more: Any) -> Any:
        """Return the view's answer about a report."""
        request = RequestFactory().get("/")
        request.user = user
        what: Any = name
        if self._takes_a_document:
            what = document(self._files, name=f"reports/{name}")
        with override_settings(**self.settings | more):
            return self._view(request, what)


@pytest.mark.parametrize(("page", "section", "view", "settings"), DJANGO)
def test_a_django_example_asks_who_may_read(
    files: Path, page: str, section: str, view: int, settings: int | None
) -> None:
    site = DjangoSite(files, page, section, view, settings)
    with pytest.raises(PermissionDenied):
        site.ask(user="stranger")


@pytest.mark.parametrize(
    ("page", "section", "view", "settings"),
    [param for param in DJANGO if "before" not in str(param.id)],
)
def test_a_django_example_sends_the_report_and_nothing_else(
    files: Path, page: str, section: str, view: int, settings: int | None
) -> None:
    site = DjangoSite(files, page, section, view, settings)
    by_nginx = site.ask()
    assert by_nginx["X-Accel-Redirect"].endswith("_files/reports/q3.pdf")
    with closing(site.ask(GATEWAY_NGINX=False)) as answer:
        assert answer.getvalue() == CONTENT
    with pytest.raises(Http404):
        site.ask(name="../q3.pdf")


def test_both_ways_of_django_name_the_file_as_the_model_does(files: Path) -> None:
    section = "## Django's FileResponse"
    before, after = (DjangoSite(files, MIGRATING, section, n, None) for n in (0, 1))
    with closing(before.ask()) as old, closing(after.ask()) as new:
        assert old.getvalue() == CONTENT
        dispositions = {each["Content-Disposition"] for each in (old, new)}
    assert dispositions == {'attachment; filename="Q3.pdf"'}


def test_both_ways_of_sendfile_have_nginx_send_the_same_file(files: Path) -> None:
    section = "## django-sendfile2"
    before = DjangoSite(files, MIGRATING, section, 1, 0).ask()
    after = DjangoSite(files, MIGRATING, section, 3, 2).ask()
    assert before["X-Accel-Redirect"] == "/protected/reports/q3.pdf"
    assert after["X-Accel-Redirect"] == "/_small_files/reports/q3.pdf"
    assert before["Content-Disposition"] == after["Content-Disposition"]


def test_only_sendfile_has_browsers_unpack_an_archive(files: Path) -> None:
    (files / "reports" / "x.tar.gz").write_bytes(b"")
    section = "## django-sendfile2"
    before = DjangoSite(files, MIGRATING, section, 1, 0).ask(name="x.tar.gz")
    after = DjangoSite(files, MIGRATING, section, 3, 2).ask(name="x.tar.gz")
    assert before["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in after


def verified(url: str) -> tuple[str, SignedURL]:
    """Return the path of a link that must verify, and what was signed."""
    assert url.startswith(f"{PLACE}{PREFIX}")
    token, _, path = urlsplit(url).path.removeprefix(PREFIX).partition("/")
    return unquote(path), verify(RING, token, unquote(path))


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEYS", str(RING))


@pytest.mark.usefixtures("signing")
def test_a_secure_link_becomes_a_signed_url_with_the_same_life(files: Path) -> None:
    before, after = python(MIGRATING, "## nginx's secure_link")
    old = urlsplit(run(before, files)["link"]("a/b.txt", 600))
    query = parse_qs(old.query)
    [token], [expires] = query["md5"], query["expires"]
    # As nginx's documentation computes it.
    digest = subprocess.run(
        ["openssl", "md5", "-binary"],
        input=f"{expires}{old.path} secret".encode(),
        capture_output=True,
        check=True,
    ).stdout
    assert base64.urlsafe_b64decode(f"{token}==") == digest
    path, link = verified(run(after, files)["link"]("a/b.txt", 600))
    assert path == "a/b.txt"
    assert link.claims.expires is not None
    assert 0 <= link.claims.expires - int(expires) < 60


@pytest.mark.usefixtures("signing")
def test_a_presigned_url_becomes_a_signed_url_with_the_same_name(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of S3 is a stand-in, which returns what it is asked to sign."""
    client = SimpleNamespace(generate_presigned_url=lambda *what, **how: (what, how))
    boto3 = ModuleType("boto3")
    monkeypatch.setattr(boto3, "client", {"s3": client}.__getitem__, raising=False)
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    before, after = python(MIGRATING, "## S3 presigned URLs")
    (method,), options = run(before, files)["link"]("reports/q3.pdf", "Q3.pdf")
    path, link = verified(run(after, files)["link"]("reports/q3.pdf", "Q3.pdf"))
    claims = link.claims
    assert method == "get_object"
    assert options["Params"]["Key"] == path == "reports/q3.pdf"
    assert claims.expires == claims.issued + options["ExpiresIn"]
    assert claims.presentation is Presentation.ATTACHMENT
    assert options["Params"]["ResponseContentDisposition"] == (
        f'attachment; filename="{claims.name}"'
    )


#: How to call the page's function with the keys, a path and a name.
CALLS: Final = {
    "ruby": "puts signed_url(ARGV[0], ARGV[1], ARGV[2], 600, name: ARGV[3])",
    "php": "echo signed_url($argv[1], $argv[2], $argv[3], 600, $argv[4] ?? null);",
}


def call(language: str, *arguments: str) -> str:
    """Return the link that the page's function makes in this language."""
    program = shutil.which(language)
    if program is None:
        lacking(f"{language} is not installed", required="REQUIRE_LANGUAGES")
    shown = blocks(MIGRATING, language)
    (function,) = [block for block in shown if re.match("require|function", block)]
    option = {"ruby": "-e", "php": "-r"}[language]
    done = subprocess.run(
        [program, option, f"{function}\n{CALLS[language]}", "--", *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("language", CALLS)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("reports/q3.pdf", [], id="plain"),
        pytest.param("a b/ä'()*!~?#%+&.txt", ["Q3 ☀.txt"], id="all-that-is-encoded"),
    ],
)
def test_another_language_makes_a_link_that_verifies(
    language: str, path: str, name: list[str]
) -> None:
    asked, link = verified(call(language, str(RING), PLACE, path, *name))
    assert asked == path
    assert link.claims.name == (name[0] if name else None)
    assert link.claims.key_id == RING.newest.id
    assert link.claims.expires == link.claims.issued + 600
    assert abs(link.claims.issued - time.time()) < 60
