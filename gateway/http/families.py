"""Families of endpoints: requests that nginx treats alike.

nginx's locations are rendered from this table (``nginx/snippets/families.conf``).
Each location tells Flask the family in a header, and Flask answers no route of
another family: both judge every request alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from gateway.http.pools import Pool

#: nginx sets it in each request; a client can't.
HEADER: Final = "X-Gateway-Family"
#: ``.`` or ``..`` between slashes, or at an end.
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)\.\.?(?:/|$)", re.ASCII)


class Body(Enum):
    """What becomes of a request's body."""

    NONE = "none"
    """It reaches nobody."""
    SMALL = "small"
    """At most 64 KB are passed on: a JSON object, or a form that a person POSTs."""
    SPOOLED = "spooled"
    """A file: Flask admits it before its first byte is read, then nginx keeps it."""


@dataclass(frozen=True, eq=False)
class Family:
    """Requests of certain methods for certain paths.

    ``paths`` has the methods of each path, separated by blanks.  A path that ends in
    ``*`` is everything below it, any other one is that very path.
    A family whose body is spooled takes just these requests from its places.  What
    else is asked for there is of the other family of that place, or of the place
    around it.
    """

    name: str
    paths: dict[str, str]
    body: Body
    pool: Pool
    is_for_programs: bool = False
    """Whether every client is told of errors in problem JSON, whatever it accepts."""
    is_form: bool = False
    """Whether its files come in a form, which is larger than they are."""
    may_name_method: bool = False
    """Whether a POST may name another method, in X-HTTP-Method-Override."""

    @property
    def methods(self) -> frozenset[str]:
        """All methods that it knows."""
        return frozenset(" ".join(self.paths.values()).split())

    @property
    def places(self) -> list[str]:
        """The paths of its locations in nginx; a prefix ends in ``/``."""
        return [path.removesuffix("*") for path in self.paths]

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Each method that it knows with each path that it knows it for."""
        return [
            (method, path)
            for path, methods in self.paths.items()
            for method in methods.split()
        ]

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request has one of its methods for that path."""
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
#: The app pool's, which asks the other pool as well.
READINESS: Final = Family(
    "readiness", {"/readyz": _READ}, Body.NONE, Pool.APP, is_for_programs=True
)
SIGNED: Final = Family("signed", {"/s/*": _READ}, Body.NONE, Pool.VERDICTS)
LEASED: Final = Family("leased", {"/l/*": _READ}, Body.NONE, Pool.VERDICTS)
#: Those whose verdict nginx may keep.
JUDGED: Final = (SIGNED, LEASED)
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
    Family("metrics", {"/metrics": _READ}, Body.NONE, Pool.APP, is_for_programs=True),
    SIGNED,
    LEASED,
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
    """A location of nginx's; ``spooled`` takes the requests that bring a file."""

    path: str
    spooled: Family | None
    otherwise: Family


@cache
def places() -> dict[str, Place]:
    """Return the places of all families by their paths.

    Each prefix is there without its last slash, too: nginx would redirect from there.
    """
    paths = {path for family in FAMILIES for path in family.places}
    bare = {path.removesuffix("/") for path in _PREFIXES if path != "/"}
    return {path: _place(path) for path in sorted(paths | bare)}


def asked(method: str, path: str) -> Family:
    """Return the family that nginx names in a request, whether it knows it or not."""
    known = places()
    place = known.get(path) or known[_around(path)]
    if place.spooled is not None and place.spooled.takes(method, path):
        return place.spooled
    return place.otherwise


def of(method: str, path: str) -> Family | None:
    """Return the family of a request, or None if no route may answer it.

    That is so if the family does not know the method, or *path*, decoded, has a dot
    segment: nginx refuses these, and would resolve them in what it chooses the family
    by.  A route's rule is as good as a path.
    """
    family = asked(method, path)
    is_known = method in family.methods and not has_dot_segment(path)
    return family if is_known else None


def has_dot_segment(path: str) -> bool:
    """Tell whether a segment of the decoded *path* is ``.`` or ``..``."""
    return _DOT_SEGMENT.search(path) is not None


def _place(path: str) -> Place:
    here = [family for family in FAMILIES if path in family.places]
    spooled = [family for family in here if family.body is Body.SPOOLED]
    others = [family for family in here if family.body is not Body.SPOOLED]
    return Place(
        path,
        spooled[0] if spooled else None,
        others[0] if others else _place(_around(path)).otherwise,
    )


def _around(path: str) -> str:
    """Return the longest of the families' prefixes that *path* lies below."""
    found = (p for p in _PREFIXES if path.startswith(p) and path != p)
    return next(found, "/")
