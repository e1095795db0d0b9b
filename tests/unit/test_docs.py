"""The documentation keeps up with the code."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from gateway import settings
from gateway.cli import COMMANDS
from gateway.errors import RefusedError
from gateway.variables import FILE_SUFFIX

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_every_setting_is_documented_with_its_default() -> None:
    page = (DOCS / "settings.md").read_text()
    table = re.finditer(r"^\| `(GATEWAY_[A-Z_]+)`.*$", page, re.MULTILINE)
    rows = {row[1]: row[0] for row in table}
    assert set(rows) == set(settings.describe())
    for name, field in settings.describe().items():
        default = settings.Settings.model_fields[field].default
        shown = str(default) if isinstance(default, int | Path) else ""
        assert shown in rows[name], name


def test_every_setting_reaches_the_containers() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    # Fixed in the images; and what no server has a use for.
    own = {"GATEWAY_DATA", "GATEWAY_FILES", "GATEWAY_RUN", "GATEWAY_POOL"}
    own |= {"GATEWAY_STORE", "GATEWAY_TOKEN", "GATEWAY_VERDICT_CACHE"}
    passed = set(re.findall(r"^ +(GATEWAY_[A-Z_]+):", compose, re.MULTILINE))
    needed = set(settings.describe()) - own
    assert needed | {f"{name}{FILE_SUFFIX}" for name in needed} <= passed


#: Which setting a placeholder of nginx's files comes from, if not one of its name.
SETTING_OF = {
    "GATEWAY_BEARER_URLS": "GATEWAY_VERDICT_TTL",
    "GATEWAY_CONF": "--output",
    "GATEWAY_CORS": "GATEWAY_CORS_ORIGINS",
    "GATEWAY_FORM_SIZE": "GATEWAY_UPLOAD_SIZE",
    "GATEWAY_REAL_IP": "GATEWAY_TRUSTED_PROXIES",
    "GATEWAY_SOCKETS": "GATEWAY_RUN",
    "GATEWAY_VERDICT_EPOCH": "GATEWAY_VERDICT_TTL",
}


def test_every_setting_that_is_written_into_an_nginx_of_one_s_own_is_named() -> None:
    files = [ROOT.glob(f"nginx/{folder}/*.conf") for folder in ("conf.d", "snippets")]
    text = "".join(path.read_text() for path in itertools.chain.from_iterable(files))
    written = {SETTING_OF.get(n, n) for n in re.findall(r"\$\{(GATEWAY_\w+)\}", text)}
    page = (DOCS / "nginx.md").read_text()
    told = re.search(r"^ +Repeat this, and reload nginx.*$", page, re.MULTILINE)
    assert told
    # The other paths' defaults lie in the data folder.
    named = set(re.findall(r"`(GATEWAY_\w+)`", told[0])) - {"GATEWAY_DATA"}
    assert named == written - {"--output"}


@pytest.mark.parametrize("folder", ["gateway", "tests"], ids=str)
def test_every_folder_stands_in_the_plan_of_the_house(folder: str) -> None:
    page = (DOCS / "architecture.md").read_text()
    plan = page.partition("## The house")[2].split("```")[1]
    assert [name for name in packages(folder) if f" {name}/" not in plan] == []


def test_every_folder_of_tests_is_explained() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert [n for n in packages("tests") if f"| `tests/{n}` |" not in page] == []


def packages(folder: str) -> list[str]:
    found = [path.parent.name for path in (ROOT / folder).glob("*/__init__.py")]
    assert found
    return found


def test_what_both_databases_need_is_installed() -> None:
    pinned = (ROOT / "deploy" / "requirements" / "run.txt").read_text()
    assert re.search(r"^psycopg==", pinned, re.MULTILINE)
    assert re.search(r"^psycopg-binary==", pinned, re.MULTILINE)


def test_every_command_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in COMMANDS if f"gateway {name}" not in readme]
    assert missing == []


def test_every_reason_in_the_log_is_explained() -> None:
    operations = (DOCS / "operations.md").read_text()
    # What has subclasses is never raised itself.
    reasons = {cls.reason for cls in _below(RefusedError) if not cls.__subclasses__()}
    assert {reason for reason in reasons if f"`{reason}" not in operations} == set()


def test_every_fact_of_what_is_not_served_is_explained() -> None:
    operations = (DOCS / "operations.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    facts = set(re.findall(r'\bNotServableError\("([a-z0-9-]+)"\)', code))
    assert "no-part" in facts
    assert {fact for fact in facts if f":{fact}`" not in operations} == set()


@pytest.mark.parametrize("page", ["operations.md", "nginx.md"], ids=str)
def test_what_pages_need_from_npm_is_taken_before_they_are_installed(page: str) -> None:
    text = (DOCS / page).read_text()
    typed = re.findall(
        r"^ *(deploy/take-scripts\.sh|\.venv/bin/pip .* \.$)", text, re.MULTILINE
    )
    assert typed[0] == "deploy/take-scripts.sh"
    assert len(typed) == 2


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, id=p.name)
        for p in sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
    ],
)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert missing == []


def _below(cls: type[RefusedError]) -> list[type[RefusedError]]:
    return [sub for child in cls.__subclasses__() for sub in [child, *_below(child)]]
