"""Families of endpoints: requests that nginx treats alike.

nginx's locations are rendered from this table (``nginx/snippets/families.conf``).
Each location sends the family's name to Flask in a header, and Flask only answers
routes of that family: both classify every request alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from gateway.http.pools import Pool

#: Header with the family's name. nginx sets it in each request; a client can't.
HEADER: Final = "X-Gateway-Family"
#: ``.`` or ``..`` between slashes, or at an end.
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)\.\.?(?:/|$)", re.ASCII)


class Body(Enum):
    """How nginx handles a request's body."""

    NONE = "none"
    """nginx does not pass it on."""
    SMALL = "small"
    """nginx passes on at most 64 KB: a JSON object, or a form that a person POSTs."""
    SPOOLED = "spooled"
    """A file: Flask admits it before its first byte is read, then nginx stores it."""


@dataclass(frozen=True, eq=False)
class Family:
    """Requests of certain methods for certain paths.

    ``paths`` maps each path to its methods, separated by spaces.  A path that ends in
    ``*`` matches all paths below it, any other path matches exactly.
    A family with a spooled body gets only requests with its own methods.  Others at its
    locations belong to the other family of that location, or to the family of the
    enclosing location.
    """

    name: str
    paths: dict[str, str]
    body: Body
    pool: Pool
    is_for_programs: bool = False
    """Whether errors are always problem JSON, whatever the client accepts."""
    is_form: bool = False
    """Whether files are sent in a form: its body is larger than the files."""
    may_name_method: bool = False
    """Whether a POST may name another method, in X-HTTP-Method-Override."""

    @property
    def methods(self) -> frozenset[str]:
        """All methods of the family."""
        return frozenset(" ".join(self.paths.values()).split())

    @property
    def places(self) -> list[str]:
        """The paths of its nginx locations; a prefix ends in ``/``."""
        return [path.removesuffix("*") for path in self.paths]

    @property
    def requests(self) -> list[tuple[str, str]]:
        """All pairs of method and path."""
        return [
            (method, path)
            for path, methods in self.paths.items()
            for method in methods.split()
        ]

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request's method and path belong to this family."""
        return any(
            method == own_method and _covers(own_path, path)
            for own_method, own_path in self.requests
        )


def _covers(own: str, path: str) -> bool:
    if own.endswith("*"):
        return path.startswith(own[:-1]) and len(path) >= len(own)
    return path == own


_READ: Final = "GET HEAD OPTIONS"

HEALTH: Final = Family(
    "health", {"/healthz": _READ}, Body.NONE, Pool.VERDICTS, is_for_programs=True
)
#: Served by the app pool, which also checks the verdicts pool.
READINESS: Final = Family(
    "readiness", {"/readyz": _READ}, Body.NONE, Pool.APP, is_for_programs=True
)
#: Not for programs only: a client that may not read the metrics gets the page of an
#: unknown URL.
METRICS: Final = Family("metrics", {"/metrics": _READ}, Body.NONE, Pool.APP)
SIGNED: Final = Family("signed", {"/s/*": _READ}, Body.NONE, Pool.VERDICTS)
LEASED: Final = Family("leased", {"/l/*": _READ}, Body.NONE, Pool.VERDICTS)
#: nginx has a location for it only with GATEWAY_AUTHORIZE: it asks the site's
#: application before it asks Flask (``nginx/snippets/authorize.conf``).
AUTHORIZED: Final = Family("authorized", {"/p/*": _READ}, Body.NONE, Pool.VERDICTS)
#: Families whose verdicts nginx may cache.
JUDGED: Final = (SIGNED, LEASED, AUTHORIZED)
UPLOADS: Final = Family(
    "uploads", {"/api/v1/files/*": "PUT"}, Body.SPOOLED, Pool.APP, is_for_programs=True
)
TUS: Final = Family(
    "tus",
    {"/tus": "OPTIONS", "/tus/*": "OPTIONS HEAD DELETE"},
    Body.NONE,
    Pool.APP,
    is_for_programs=True,
    may_name_method=True,
)
TUS_BODIES: Final = Family(
    "tus-bodies",
    {"/tus": "POST", "/tus/": "POST", "/tus/*": "PATCH"},
    Body.SPOOLED,
    Pool.APP,
    is_for_programs=True,
    may_name_method=True,
)
FILE_FORMS: Final = Family(
    "file-forms",
    {"/api/v1/files": "POST"},
    Body.SPOOLED,
    Pool.APP,
    is_for_programs=True,
    is_form=True,
)
FORM_BODIES: Final = Family(
    "form-bodies", {"/upload": "POST"}, Body.SPOOLED, Pool.APP, is_form=True
)
DROP_BODIES: Final = Family(
    "drop-bodies", {"/u/*": "POST"}, Body.SPOOLED, Pool.APP, is_form=True
)

FAMILIES: Final = (
    HEALTH,
    READINESS,
    METRICS,
    SIGNED,
    LEASED,
    AUTHORIZED,
    Family("files", {"/files/*": _READ}, Body.NONE, Pool.VERDICTS),
    Family(
        "api",
        {"/api/*": f"{_READ} POST PATCH DELETE"},
        Body.SMALL,
        Pool.APP,
        is_for_programs=True,
    ),
    UPLOADS,
    FILE_FORMS,
    TUS,
    TUS_BODIES,
    Family("share-links", {"/d/*": f"{_READ} POST"}, Body.SMALL, Pool.APP),
    Family("drops", {"/u/*": _READ}, Body.NONE, Pool.APP),
    DROP_BODIES,
    Family("pages", {"/*": f"{_READ} POST"}, Body.SMALL, Pool.APP),
    FORM_BODIES,
)
BY_NAME: Final = {family.name: family for family in FAMILIES}
_PREFIXES: Final = sorted(
    {p for family in FAMILIES for p in family.places if p.endswith("/")},
    key=len,
    reverse=True,
)


@dataclass(frozen=True)
class Place:
    """An nginx location; ``spooled`` is the family of requests that upload a file."""

    path: str
    spooled: Family | None
    otherwise: Family


@cache
def places() -> dict[str, Place]:
    """Return the locations of all families by their paths.

    Each prefix is also included without its last slash: otherwise nginx would redirect.
    """
    paths = {path for family in FAMILIES for path in family.places}
    bare = {path.removesuffix("/") for path in _PREFIXES if path != "/"}
    return {path: _place(path) for path in sorted(paths | bare)}


def asked(method: str, path: str) -> Family:
    """Return the family that nginx names in the header, for any method and path."""
    by_path = places()
    place = by_path.get(path) or by_path[_enclosing(path)]
    if place.spooled is not None and place.spooled.takes(method, path):
        return place.spooled
    return place.otherwise


def of(method: str, path: str) -> Family | None:
    """Return the family of a request, or None if no route may answer it.

    None is returned if the family does not have the method, or if the decoded *path*
    has a dot segment: nginx refuses dot segments, because it would resolve them before
    it chooses the family.  *path* may also be the rule of a route.
    """
    family = asked(method, path)
    is_allowed = method in family.methods and not has_dot_segment(path)
    return family if is_allowed else None


def has_dot_segment(path: str) -> bool:
    """Tell whether a segment of the decoded *path* is ``.`` or ``..``."""
    return _DOT_SEGMENT.search(path) is not None


def _place(path: str) -> Place:
    families = [family for family in FAMILIES if path in family.places]
    spooled = [family for family in families if family.body is Body.SPOOLED]
    others = [family for family in families if family.body is not Body.SPOOLED]
    return Place(
        path,
        spooled[0] if spooled else None,
        others[0] if others else _place(_enclosing(path)).otherwise,
    )


def _enclosing(path: str) -> str:
    """Return the longest prefix of any family that contains *path*."""
    prefixes = (p for p in _PREFIXES if path.startswith(p) and path != p)
    return next(prefixes, "/")
