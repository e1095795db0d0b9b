"""The documentation keeps up with the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from gateway.app import _connections
from gateway.cli import COMMANDS, housekeep
from gateway.config import settings
from gateway.config.variables import FILE_SUFFIX
from gateway.errors import RefusedError
from gateway.http import families
from gateway.http.pools import Pool
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from tests.live.shown import blocks
from tests.unit.rendered import rendered

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*DOCS.glob("*.md"), *ROOT.glob("*.md")]


def test_every_setting_is_documented_with_its_default() -> None:
    page = (DOCS / "settings.md").read_text()
    table = re.finditer(r"^\| `(GATEWAY_[A-Z_]+)`.*$", page, re.MULTILINE)
    rows = {row[1]: row[0] for row in table}
    assert set(rows) == set(settings.describe())
    for name, field in settings.describe().items():
        default = settings.Settings.model_fields[field].default
        shown = str(default) if isinstance(default, int | Path) else ""
        assert shown in rows[name], name


def test_no_path_of_the_host_counts_in_the_container() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    pinned = dict(re.findall(r"^ +(GATEWAY_\w+): (\S+)$", compose, re.MULTILINE))
    paths = {
        name
        for name, field in settings.describe().items()
        if re.search(
            "Path|Places", str(settings.Settings.model_fields[field].annotation)
        )
    }
    assert paths >= {"GATEWAY_DATA", "GATEWAY_FILES", "GATEWAY_RUN"}
    assert set(pinned) == paths | {f"{name}{FILE_SUFFIX}" for name in paths}
    assert {pinned[f"{name}{FILE_SUFFIX}"] for name in paths} == {'""'}
    # compose's own variable, or the mounted folder.
    assert pinned.pop("GATEWAY_FILES") == "${FILES_BUCKET:-/srv/files}"
    assert all(pinned[name].startswith("/") for name in paths - {"GATEWAY_FILES"})


def test_the_containers_take_all_settings_from_one_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    assert compose.count("env_file: [{path: .env, required: false}]") == 1
    assert set(re.findall(r"\$\{(\w+):-", compose)) == {
        "FILES_BUCKET",
        "FILES_DIR",
        "GATEWAY_BIND",
    }
    # Whether there is a bucket or a relay, which need a network.
    assert set(re.findall(r"\$\{(\w+):\+", compose)) == {
        "FILES_BUCKET",
        "GATEWAY_BLOBS",
        "GATEWAY_BLOBS_FILE",
        "GATEWAY_MAIL_URL",
        "GATEWAY_MAIL_URL_FILE",
    }


def test_the_containers_of_several_gateways_have_settings_that_exist() -> None:
    compose = (ROOT / "deploy/replicas.yml").read_text()
    chosen = set(re.findall(r"\b(GATEWAY_\w+): ", compose))
    known = settings.describe().keys()
    assert chosen - {f"{name}{FILE_SUFFIX}" for name in known} <= known
    assert chosen >= {"GATEWAY_BLOBS", "GATEWAY_KEYS_FILE", "GATEWAY_REPLICA"}


#: Another value of each setting that is no number.
OTHER = {
    "GATEWAY_COLOR": "#ff0000",
    "GATEWAY_CORS_ORIGINS": "https://other.example",
    "GATEWAY_DATA": "/other",
    "GATEWAY_DATABASE": "sqlite:////other.sqlite3",
    "GATEWAY_DATABASE_DIRECT": "postgresql+psycopg://db/gateway",
    "GATEWAY_DENIED_TYPES": "image/*",
    "GATEWAY_BLOBS": "s3://other/uploads",
    "GATEWAY_BUCKET_ENDPOINT": "https://other.example",
    "GATEWAY_BUCKET_KEY_ID": "other",
    "GATEWAY_BUCKET_REGION": "other",
    "GATEWAY_BUCKET_SECRET": "other",
    "GATEWAY_CACHE_SPACE": "20G",
    "GATEWAY_FILES": "/other",
    "GATEWAY_AUTHORIZE": "http://other.example/",
    "GATEWAY_AUTHORIZE_BY": "cookie:other",
    "GATEWAY_HOSTS": "other.example",
    "GATEWAY_INLINE_TYPES": "image/svg+xml",
    "GATEWAY_KEYS": str(Key.generate()),
    "GATEWAY_LOGO": "/other.svg",
    "GATEWAY_MAIL_FROM": "other@example.com",
    "GATEWAY_MAIL_URL": "smtp://other.example",
    "GATEWAY_PUBLIC_URL": "https://files.example.com/media",
    "GATEWAY_LEDGER_ADDRESSES": "none",
    "GATEWAY_POOL": "app",
    "GATEWAY_RUN": "/other",
    "GATEWAY_SECRET": str(ServerSecret.generate()),
    "GATEWAY_STORE": "/other",
    "GATEWAY_TOKEN": "other",
    "GATEWAY_TRUSTED_PROXIES": "192.0.2.0/24",
    "GATEWAY_UPLOAD_TYPES": "image/*",
    "GATEWAY_VERDICT_CACHE": "/other",
}


def test_every_setting_that_is_written_into_an_nginx_of_one_s_own_is_named() -> None:
    def included(**chosen: str) -> list[str]:
        # A relay needs the address, a visitor is recognized only for a site, and a key
        # has two parts.
        address = {
            "GATEWAY_BUCKET_KEY_ID": "one",
            "GATEWAY_BUCKET_SECRET": "one",
            "GATEWAY_FILES": "/usr other/=s3://media",
            "GATEWAY_PUBLIC_URL": "https://files.example.com",
            "GATEWAY_AUTHORIZE": "http://127.0.0.1:5000/may-read",
        }
        files = rendered(**{**address, **chosen}).items()
        return [
            text
            for name, text in files
            if name.startswith(("conf.d", "snippets", "pages"))
        ]

    before = included()
    written = {
        name
        for name in settings.describe()
        if included(**{name: OTHER.get(name, "60")}) != before
    }
    page = (DOCS / "nginx.md").read_text()
    told = re.search(r"^ +Repeat this, and reload nginx.*$", page, re.MULTILINE)
    assert told
    assert set(re.findall(r"`(GATEWAY_\w+)`", told[0])) == written


def test_every_family_stands_in_the_table_of_families() -> None:
    page = (DOCS / "nginx.md").read_text()
    table = page.partition("## Families of endpoints")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| `([a-z-]+)` \| .* \| (\w+).* \| (\w+) \|$", table, re.MULTILINE
    )
    told = [(f.name, f.body.value, f.pool.value) for f in families.FAMILIES]
    assert sorted(rows) == sorted(told)


@pytest.mark.parametrize("folder", ["gateway", "tests"], ids=str)
def test_every_folder_stands_in_the_plan_of_folders(folder: str) -> None:
    page = (DOCS / "architecture.md").read_text()
    plan = page.partition("## Folders and imports")[2].split("```")[1]
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


def connections(cores: int) -> int:
    """Return the most connections to PostgreSQL of a gateway with the defaults."""
    current = settings.read({}, required=(), check_disk=False).settings
    verdicts, app = (_connections(current, pool) or 0 for pool in Pool)
    workers = (2 * cores + 1) * verdicts + max(2, cores) * app
    return workers + housekeep._CONNECTIONS + 1  # noqa: SLF001 -- and its lock


def test_the_connections_to_postgresql_are_added_up() -> None:
    operations = (DOCS / "operations.md").read_text()
    capacity = (DOCS / "capacity.md").read_text()
    assert f"{connections(2)} with the defaults on two cores" in operations
    assert f"{connections(4)} in all. Ten have at most {connections(4) * 10:,}," in (
        capacity
    )


#: The user stays the same.
_RUNUSER: Final = 'runuser() { shift 3; "$@"; }\n'


def test_a_shell_reads_the_settings_of_the_service_as_they_are(tmp_path: Path) -> None:
    environment, function = blocks("docs/operations.md", "sh", section="## systemd")[1:]
    assert environment.count("='") == environment.count("\n") == 3
    gateway = tmp_path / "gateway"
    gateway.write_text('#!/bin/sh\nenv\necho "$@"\n')
    gateway.chmod(0o755)
    (tmp_path / "gateway.env").write_text(environment)
    script = function.replace("/etc/accel-gateway", str(tmp_path)).replace(
        "/opt/accel-gateway/.venv/bin", str(tmp_path)
    )
    typed = _RUNUSER + script.replace("cd /var/lib/accel-gateway", "cd /")
    done = subprocess.run(
        ["bash", "-euc", typed], check=True, capture_output=True, text=True
    )
    printed = done.stdout.splitlines()
    assert printed[-1] == "sign hello.txt --expires 1h"
    assert "GATEWAY_DATA=/var/lib/accel-gateway" in printed
    assert {line.replace("'", "") for line in environment.splitlines()} <= {*printed}


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


def test_every_link_between_pages_leads_somewhere() -> None:
    targets = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    ]
    assert len({page for page, _ in targets}) > 5
    assert [(p.name, t) for p, t in targets if not (p.parent / t).exists()] == []


def test_every_link_to_a_section_leads_to_one() -> None:
    pages = {page.resolve(): page.read_text() for page in PAGES}
    sections = {page: anchors(text) for page, text in pages.items()}
    targets = [
        (page, (page.parent / target).resolve() if target else page, anchor)
        for page, text in pages.items()
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text)
    ]
    assert len(targets) > 100
    lost = [(p.name, a) for p, to, a in targets if a not in sections.get(to, ())]
    assert lost == []


def anchors(text: str) -> set[str]:
    """Return the names of a page's sections, as GitHub makes them of the headings."""
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    headings = re.findall(r"(?m)^#+ (.*)$", prose)
    named = {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings
    }
    return named | set(re.findall(r'<a id="([^"]+)">', text))


def test_the_index_names_every_page() -> None:
    pages = sorted(f"({page.name})" for page in DOCS.glob("*.md"))
    index = (DOCS / "README.md").read_text()
    assert [page for page in pages if page not in index] == ["(README.md)"]


def _below(cls: type[RefusedError]) -> list[type[RefusedError]]:
    return [sub for child in cls.__subclasses__() for sub in [child, *_below(child)]]
