"""The rules of the house, read off the sources; each is shown to be able to fail."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from gateway.delivery import accel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]

_STORES: Final = {"catalog", "errors", "links", "storage"}
_DECISIONS: Final = {"uploads", "delivery", *_STORES}

#: What each part of the package may import of the others, besides itself.
#: cli, web, ops -> uploads, delivery -> catalog, storage, links -> errors
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "errors": set(),
    # Where the files beside the package are; imports nothing, so all may ask it.
    "assets": set(),
    # Waiting, which no request may do; imports nothing.
    "polling": set(),
    # How people write sizes and durations; imports nothing.
    "quantities": set(),
    # Which pools of workers there are; imports nothing.
    "pools": set(),
    # Where the gateway is reached.
    "address": {"errors"},
    "links": {"errors"},
    "storage": {"errors"},
    "catalog": {"errors", "polling"},
    "delivery": _STORES,
    "uploads": _STORES,
    "web": {*_DECISIONS, "pools"},
    # Below the commands: it runs what they start.
    "ops": {
        *_DECISIONS,
        *("address", "assets", "polling", "pools", "settings", "variables"),
    },
    "cli": {
        *_DECISIONS,
        *("address", "fields", "ops", "pools", "quantities", "settings", "snapshot"),
        "__init__",
    },
    # Reads the environment into values: key rings, and faults.
    "settings": {
        *("errors", "fields", "links", "places", "pools", "snapshot", "variables")
    },
    "fields": {"errors", "links", "pools", "quantities"},
    "places": set(),
    "snapshot": set(),
    "variables": set(),
    # Wiring: the one place where all parts meet.
    "app": {*_DECISIONS, "settings", "address", "assets", "ops", "pools", "web"},
    "wsgi": {"app", "errors", "settings"},
    "__init__": set(),
    "__main__": {"cli"},
}
#: Where a request or a command begins: here a clock may be read.
EDGES: Final = {"web", "cli", "ops"}
#: Readers of the environment, and of the clock when they are called.
ENVIRONMENT: Final = {
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.getenvb",
    "os.putenv",
    "os.unsetenv",
}
CLOCKS: Final = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.gmtime",
    "time.localtime",
    "time.time",
    "time.time_ns",
}


class Module:
    """One source file: its part of the package, and what it imports and names."""

    def __init__(self, package: Path, path: Path) -> None:
        self.name = path.relative_to(package).as_posix()
        self.part = self.name.partition("/")[0].removesuffix(".py")
        self.text = path.read_text("utf-8")
        self._package = ["gateway", *self.name.split("/")[:-1]]
        self._nodes = list(ast.walk(ast.parse(self.text)))
        #: The name that each import binds, and the dotted name behind it.
        self.imports = [
            (alias.asname or alias.name, f"{self._origin(node)}{alias.name}")
            for node in self._nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        self._bound = dict(self.imports)

    def parts(self) -> set[str]:
        """Return the parts of the package that it imports, itself left out."""
        dotted = [name.split(".") for _, name in self.imports]
        named = {words[1] for words in dotted if words[0] == "gateway" and words[1:]}
        # A name that is no part, as in `from gateway import __version__`.
        return {n if n in MAY_IMPORT else "__init__" for n in named} - {self.part}

    def top_packages(self) -> set[str]:
        """Return the first word of everything that it imports."""
        return {name.partition(".")[0] for _, name in self.imports}

    def named(self) -> set[str]:
        """Return the dotted origin of everything that it imports or mentions."""
        mentioned = {self._resolve(node) for node in self._nodes}
        return mentioned | {name for _, name in self.imports}

    def called(self) -> set[str]:
        """Return the dotted origin of everything that it calls."""
        return {self._resolve(n.func) for n in self._nodes if isinstance(n, ast.Call)}

    def _origin(self, node: ast.Import | ast.ImportFrom) -> str:
        if isinstance(node, ast.Import):
            return ""
        above = self._package[: len(self._package) + 1 - node.level]
        words = [*(above if node.level else []), *filter(None, [node.module])]
        return ".".join(words) + "."

    def _resolve(self, node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._resolve(node.value)}.{node.attr}"
        if isinstance(node, ast.Name):
            return self._bound.get(node.id, node.id)
        return ""


def modules(package: Path) -> Iterator[Module]:
    """Yield every module of *package*."""
    return (Module(package, path) for path in sorted(package.rglob("*.py")))


def unknown_parts(package: Path) -> list[str]:
    """Return the modules of parts that the table does not know."""
    return [m.name for m in modules(package) if m.part not in MAY_IMPORT]


def wrong_directions(package: Path) -> list[str]:
    """Return every import that goes up or sideways."""
    return [
        f"{module.name} imports {part}"
        for module in modules(package)
        for part in sorted(module.parts() - MAY_IMPORT.get(module.part, set()))
    ]


def imports_of_errors(package: Path) -> list[str]:
    """Return what the error tree imports beside itself."""
    return [
        f"{module.name} imports {name}"
        for module in modules(package)
        if module.part == "errors"
        for name in module.top_packages() - {"gateway"}
    ]


def signers_elsewhere(package: Path) -> list[str]:
    """Return the modules that import itsdangerous and are not of links."""
    return [
        module.name
        for module in modules(package)
        if module.part != "links" and "itsdangerous" in module.top_packages()
    ]


def strangers_in_links(package: Path) -> list[str]:
    """Return what links imports beyond itsdangerous and the standard library."""
    own = {*sys.stdlib_module_names, "itsdangerous", "gateway"}
    return [
        f"{module.name} imports {name}"
        for module in modules(package)
        if module.part == "links"
        for name in sorted(module.top_packages() - own)
    ]


def accel_elsewhere(package: Path) -> list[str]:
    """Return the modules but accel.py that have the header's name in their text."""
    return [
        module.name
        for module in modules(package)
        if module.name != "delivery/accel.py" and "x-accel" in module.text.lower()
    ]


def environment_elsewhere(package: Path) -> list[str]:
    """Return the modules but settings.py that touch the environment."""
    return [
        module.name
        for module in modules(package)
        if module.name != "settings.py" and module.named() & ENVIRONMENT
    ]


def clocks_below_the_edges(package: Path) -> list[str]:
    """Return every call of a clock where time is an argument."""
    return [
        f"{module.name} calls {name}"
        for module in modules(package)
        if module.part not in EDGES
        for name in sorted(module.called() & CLOCKS)
    ]


RULES = [
    unknown_parts,
    wrong_directions,
    imports_of_errors,
    signers_elsewhere,
    strangers_in_links,
    accel_elsewhere,
    environment_elsewhere,
    clocks_below_the_edges,
]

#: A rule, a module, and the line that breaks the one in the other.
BREACHES = [
    (unknown_parts, "helpers.py", ""),
    (unknown_parts, "common/text.py", ""),
    (wrong_directions, "links/signer.py", "from gateway.delivery import verdict"),
    (wrong_directions, "links/signer.py", "import gateway.storage.paths"),
    (wrong_directions, "links/signer.py", "from gateway import settings"),
    (wrong_directions, "links/signer.py", "from ..storage import paths"),
    (wrong_directions, "links/signer.py", "from .. import storage"),
    (wrong_directions, "links/signer.py", "def f():\n    import gateway.web"),
    (wrong_directions, "storage/tree.py", "from gateway.links import Key"),
    (wrong_directions, "storage/tree.py", "from gateway.catalog import shares"),
    (wrong_directions, "catalog/shares.py", "from gateway.delivery import accel"),
    (wrong_directions, "uploads/tus.py", "from gateway.delivery import accel"),
    (wrong_directions, "delivery/accel.py", "from gateway.uploads import tus"),
    (wrong_directions, "delivery/accel.py", "from gateway.web import routes"),
    (wrong_directions, "web/routes.py", "from gateway.settings import Settings"),
    (wrong_directions, "web/routes.py", "from gateway.cli import gateway"),
    (wrong_directions, "ops/probe.py", "from gateway.cli import gateway"),
    (wrong_directions, "settings.py", "from gateway.storage.tree import FilesTree"),
    (wrong_directions, "errors.py", "from gateway.links import Key"),
    (wrong_directions, "assets.py", "from gateway import settings"),
    (wrong_directions, "app.py", "from gateway.cli.serve import serve"),
    (wrong_directions, "wsgi.py", "from gateway.web import routes"),
    (imports_of_errors, "errors/base.py", "import re"),
    (signers_elsewhere, "delivery/verdict.py", "import itsdangerous"),
    (signers_elsewhere, "web/routes.py", "from itsdangerous.exc import BadData"),
    (strangers_in_links, "links/policy.py", "import flask"),
    (strangers_in_links, "links/policy.py", "from werkzeug.http import dump_cookie"),
    (accel_elsewhere, "web/routes.py", 'NAME = "X-Accel-Redirect"'),
    (accel_elsewhere, "web/routes.py", 'NAME = "x-accel-expires"'),
    (accel_elsewhere, "ops/logs.py", "# X-Accel-Buffering is off"),
    (environment_elsewhere, "ops/logs.py", "import os\nos.environ['A'] = '1'"),
    (environment_elsewhere, "ops/logs.py", "import os as o\nA = o.getenv('A')"),
    (environment_elsewhere, "cli/links.py", "from os import environ"),
    (environment_elsewhere, "app.py", "from os import getenv as g"),
    (environment_elsewhere, "variables.py", "import os\nA = os.environ['A']"),
    (clocks_below_the_edges, "links/policy.py", "import time\nA = time.time()"),
    (clocks_below_the_edges, "links/policy.py", "import time as t\nA = t.time_ns()"),
    (clocks_below_the_edges, "links/policy.py", "from time import time\nA = time()"),
    (
        clocks_below_the_edges,
        "delivery/verdict.py",
        "from datetime import datetime, UTC\nA = datetime.now(UTC)",
    ),
    (
        clocks_below_the_edges,
        "catalog/shares.py",
        "import datetime as d\nA = d.datetime.utcnow()",
    ),
    (clocks_below_the_edges, "app.py", "A = time.time()"),
]

#: What a rule must not take for a breach.
INNOCENT = [
    (wrong_directions, "links/signer.py", "# from gateway.web import routes"),
    (wrong_directions, "uploads/tus.py", "from gateway.catalog import shares"),
    (wrong_directions, "catalog/shares.py", "from gateway.errors import LinkError"),
    (wrong_directions, "cli/links.py", "from gateway.uploads import tus"),
    (wrong_directions, "web/routes.py", "from . import health"),
    (signers_elsewhere, "links/policy.py", "import itsdangerous"),
    (environment_elsewhere, "web/routes.py", "A = request.environ['PATH_INFO']"),
    (environment_elsewhere, "ops/logs.py", "import os\nA = os.getpid()"),
    (clocks_below_the_edges, "links/policy.py", "import time\nclock = time.time"),
    (clocks_below_the_edges, "cli/links.py", "import time\nA = time.time()"),
]


def cases(
    table: Sequence[tuple[Callable[[Path], list[str]], str, str]],
) -> list[object]:
    """Return one parameter set for each row, named by rule, module and line."""
    return [
        pytest.param(rule, name, line, id=f"{rule.__name__}-{name}-{number}")
        for number, (rule, name, line) in enumerate(table)
    ]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the package, for a test to break a rule in."""
    return Path(
        shutil.copytree(
            ROOT / "gateway",
            tmp_path / "gateway",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    )


def append(copy: Path, name: str, line: str) -> None:
    """Add *line* to a module of the copy, which may be a new one."""
    path = copy / name
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.__name__) for r in RULES])
def test_the_package_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    """The directions and the sole owners hold in every module."""
    assert rule(ROOT / "gateway") == []


@pytest.mark.parametrize(("rule", "name", "line"), cases(BREACHES))
def test_a_breach_of_the_rule_is_found(
    copy: Path, rule: Callable[[Path], list[str]], name: str, line: str
) -> None:
    """One line in a copy of the package is enough to break its rule."""
    before = rule(copy)
    append(copy, name, line)
    assert len(rule(copy)) == len(before) + 1


@pytest.mark.parametrize(("rule", "name", "line"), cases(INNOCENT))
def test_what_only_resembles_a_breach_is_let_pass(
    copy: Path, rule: Callable[[Path], list[str]], name: str, line: str
) -> None:
    """A rule that cries at everything would be switched off."""
    before = rule(copy)
    append(copy, name, line)
    assert rule(copy) == before


def test_gunicorns_configuration_is_no_way_round() -> None:
    """It runs in the same process and stands outside the package."""
    module = Module(ROOT, ROOT / "gunicorn.conf.py")
    assert module.named() & ENVIRONMENT == set()
    assert module.called() & CLOCKS == set()
    assert "x-accel" not in module.text.lower()


def test_every_rule_is_shown_to_fail() -> None:
    """A rule without a breach above might be one that can't find any."""
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_the_table_of_directions_has_no_circle() -> None:
    """Parts that import each other are one part."""
    order: list[str] = []
    left = dict(MAY_IMPORT)
    for _ in MAY_IMPORT:
        ready = [part for part, below in left.items() if below <= set(order)]
        order += ready
        left = {part: left[part] for part in left if part not in ready}
    assert left == {}


def locations(nginx: Path) -> dict[str, str]:
    """Return the body of every top-level location of nginx's snippets."""
    texts = [path.read_text("utf-8") for path in sorted(nginx.glob("snippets/*.conf"))]
    bare = re.sub(r"(?m)^\s*#.*\n", "", "\n".join(texts))
    found = re.finditer(r"(?ms)^location (?:[=~^*]+ )?(\S+) \{\n(.*?)^\}", bare)
    return {match[1]: match[2] for match in found}


def delivering(nginx: Path) -> set[str]:
    """Return the internal locations with an alias that send deliveries."""
    wanted = (r"^ +internal;$", r"^ +alias \S+/;$", r"^ +include \S+/delivery\.conf;$")
    return {
        name
        for name, body in locations(nginx).items()
        if all(re.search(line, body, re.MULTILINE) for line in wanted)
    }


def sending(nginx: Path) -> set[str]:
    """Return the locations that send deliveries, internal or not."""
    bodies = locations(nginx).items()
    return {name for name, body in bodies if "/delivery.conf;" in body}


def internal(nginx: Path) -> set[str]:
    """Return all internal locations with an alias."""
    bodies = locations(nginx).items()
    return {n for n, body in bodies if "internal;" in body and "alias " in body}


def prefixes() -> set[str]:
    """Return every text in accel.py's code that looks like an internal prefix."""
    tree = ast.parse(Path(accel.__file__).read_text("utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {t for t in texts if isinstance(t, str) and re.fullmatch(r"/_\S*", t)}


#: nginx's own error pages, which no verdict may name.
PAGES = "/_pages/"


def test_the_prefixes_in_python_are_the_internal_locations_of_nginx() -> None:
    """A prefix on one side alone is a 404, or a door that nobody watches."""
    assert prefixes() == delivering(ROOT / "nginx")
    assert prefixes() == internal(ROOT / "nginx") - {PAGES}
    assert prefixes() == set(accel.LOCATIONS.values())


def test_no_location_sends_deliveries_but_internal_ones() -> None:
    """What a client can ask for by itself needs no verdict."""
    assert sending(ROOT / "nginx") == delivering(ROOT / "nginx")


def test_every_prefix_ends_in_a_slash() -> None:
    """Without it a path could reach a folder beside the one that is served."""
    assert {prefix for prefix in prefixes() if not prefix.endswith("/")} == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("location /_files/ {", "location /_file/ {", id="renamed"),
        pytest.param("location /_files/ {", "location /_files {", id="no-slash"),
        pytest.param("    internal;\n", "", id="public"),
        pytest.param("    internal;\n", "    # internal;\n", id="commented-out"),
        pytest.param("alias ${GATEWAY_FILES}/;", "alias /srv/files;", id="alias-bare"),
        pytest.param("/snippets/delivery.conf;", "/snippets/pages.conf;", id="other"),
    ],
)
def test_a_location_that_no_longer_fits_is_found(
    tmp_path: Path, old: str, new: str
) -> None:
    """Each part of the tie, loosened in a copy, parts the two sides."""
    nginx = Path(shutil.copytree(ROOT / "nginx", tmp_path / "nginx"))
    conf = nginx / "snippets/files.conf"
    text = conf.read_text("utf-8")
    conf.write_text(text.replace(old, new), "utf-8")
    assert old in text
    assert delivering(nginx) != prefixes()


def test_an_internal_location_that_python_does_not_know_is_found(
    tmp_path: Path,
) -> None:
    """A new one in nginx is not finished without its prefix in Python."""
    nginx = Path(shutil.copytree(ROOT / "nginx", tmp_path / "nginx"))
    (nginx / "snippets/buckets.conf").write_text(
        "location /_buckets/ {\n    internal;\n    alias /srv/buckets/;\n}\n"
    )
    assert internal(nginx) - {PAGES} == prefixes() | {"/_buckets/"}
