"""Every regular expression of the gateway: nginx's files as rendered, and Python's."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gateway
from gateway.runtime import logs
from gateway.storage import formats
from tests.unit.pcre import Expression
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Settings: together they render every branch of the templates.
_RENDERINGS: Final = (
    {
        "GATEWAY_CORS_ORIGINS": "https://a.example",
        "GATEWAY_HOSTS": "*",
        "GATEWAY_AUTHORIZE": "http://127.0.0.1:5000/may-read",
        "GATEWAY_AUTHORIZE_BY": "cookie:sessionid",
    },
    {"GATEWAY_VERDICT_TTL": "0"},
    {
        "GATEWAY_PUBLIC_URL": "https://www.example.com/media",
        "GATEWAY_AUTHORIZE": "http://127.0.0.1:5000/may-read",
    },
)
# A word that begins with a tilde, the right side of an `if`, and what is rewritten.
_IN_NGINX: Final = re.compile(
    r'^\s*(?:if \(\$\w+ !?(?P<if>~\*?) "(?P<tested>[^"]+)"\)'
    r'|rewrite (?P<rewritten>\S+) |"(?P<key>~\*?)(?P<quoted>(?:[^"\\]|\\.)+)")',
    re.MULTILINE,
)
_FUNCTIONS: Final = frozenset(
    {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub"}
)
#: Expressions that are built from several texts, by the file that builds them.
_MADE: Final = {
    "ops/logs.py": [Expression("ops/logs.py", rule.pattern) for rule in logs.RULES],
    "storage/formats.py": [
        Expression(
            "storage/formats.py", p.pattern.decode("latin-1"), p.flags, is_anchored=True
        )
        for p, _ in formats._FORMATS  # noqa: SLF001
    ],
}


def of_nginx() -> list[Expression]:
    """Return the expressions of nginx's files, each once."""
    found = {
        (name, text, flags): Expression(
            name, text, flags, is_anchored=text.startswith("^")
        )
        for chosen in _RENDERINGS
        for name, content in rendered(**chosen).items()
        for text, flags in _in_nginx(content)
    }
    return list(found.values())


def _in_nginx(content: str) -> Iterator[tuple[str, int]]:
    for match in _IN_NGINX.finditer(content):
        text = match["tested"] or match["rewritten"] or match["quoted"]
        is_caseless = "~*" in {match["if"], match["key"]}
        # nginx removes the backslash before a quote or a backslash, but no others.
        yield re.sub(r'\\(["\\])', r"\1", text), re.IGNORECASE if is_caseless else 0


def of_python() -> list[Expression]:
    """Return the expressions of the package, each with the way it is used."""
    root = Path(gateway.__file__).parent
    found: list[Expression] = []
    for path in sorted(root.rglob("*.py")):
        name, text = str(path.relative_to(root)), path.read_text("utf-8")
        found += [*_in_python(name, text), *_MADE.get(name, [])]
    return found


def made_elsewhere() -> set[str]:
    """Return the files with an expression that is not a literal."""
    root = Path(gateway.__file__).parent
    return {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for call in _calls(ast.parse(path.read_text("utf-8")))
        if not isinstance(call.args[0], ast.Constant)
    }


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _FUNCTIONS
        ):
            yield node


def _in_python(name: str, text: str) -> Iterator[Expression]:
    for call in _calls(ast.parse(text)):
        if isinstance(call.args[0], ast.Constant):
            pattern: Any = call.args[0].value
            uses = _uses(call, text)
            yield Expression(
                name,
                pattern if isinstance(pattern, str) else pattern.decode("latin-1"),
                _flags(call),
                is_anchored=uses <= {"match", "fullmatch"},
                is_whole=uses == {"fullmatch"},
            )


def _uses(call: ast.Call, text: str) -> set[str]:
    """Return the functions that use an expression in its module."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "compile":
        return {call.func.attr}
    source = ast.get_source_segment(text, call) or ""
    named = re.search(rf"^(\w+)(?:: Final)? = {re.escape(source)}", text, re.MULTILINE)
    # Another module that imports the expression may search with it.
    return set(re.findall(rf"\b{named[1]}\.(\w+)\(", text)) if named else {"search"}


def _flags(call: ast.Call) -> int:
    named = {
        node.attr
        for argument in [*call.args[1:], *(k.value for k in call.keywords)]
        for node in ast.walk(argument)
        if isinstance(node, ast.Attribute)
    }
    return sum(
        int(re.RegexFlag[name])
        for name in named & {"DOTALL", "IGNORECASE", "MULTILINE"}
    )
