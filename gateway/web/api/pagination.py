"""Lists in pages: which rows a request asks for, and where the next page is.

Every list takes ``?limit=``, the most rows of a page, and ``?after=``, a cursor that
clients take from the URL of the next page and do not make themselves.  Lists of what
users own take ``?owner=``, and the list of files takes ``?drop=``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import urlencode

from flask import request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from gateway.catalog import ids, users
from gateway.errors import (
    AccountError,
    BadFieldsError,
    NotPermittedError,
    NotServableError,
)
from gateway.storage import blobs
from gateway.web.api.json_bodies import faults
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from gateway.catalog.users import User
    from gateway.web.auth.identity import Identity

#: The most rows of a page, and how many an API list has without ``?limit=``.
MAXIMUM: Final = 100
#: Of ``?owner=``: no user has that name.
EVERYBODY: Final = "*"
_CURSOR: Final = re.compile(r"([0-9]{1,12})\.([a-z0-9]{1,32})", re.ASCII)
_ENTRY: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,6}", re.ASCII)


class Place(NamedTuple):
    """A row's place in a list with the newest row first."""

    created: int
    id: str


class Row(Protocol):
    """A row of a list with the newest row first."""

    @property
    def created(self) -> int:
        """When it was made, in Unix seconds."""

    @property
    def id(self) -> str:
        """Its id."""


R = TypeVar("R", bound=Row)
S = TypeVar("S")


def _number(text: object) -> object:
    if isinstance(text, str) and not _NUMBER.fullmatch(text):
        raise ValueError("must be a whole number")
    return text


def _place(is_id: Callable[[str], bool]) -> Callable[[str], Place]:
    def parse(text: str) -> Place:
        match = _CURSOR.fullmatch(text)
        if match is None or not is_id(match[2]):
            raise ValueError("is no cursor of this list")
        return Place(int(match[1]), match[2])

    return parse


def _drop_id(text: str) -> str:
    if not ids.is_id(text):
        raise ValueError("is no id of a drop link")
    return text


def _entry(text: str) -> int:
    if not _ENTRY.fullmatch(text):
        raise ValueError("is no cursor of this list")
    return int(text)


def _subject(text: str) -> str:
    # PostgreSQL takes no NUL in any text.
    if "\0" in text:
        raise ValueError("is no cursor of this list")
    return text


_TEXT: Final = WithJsonSchema({"type": "string"})
_FilePlace = Annotated[Place, BeforeValidator(_place(blobs.is_id)), _TEXT]
_ShortPlace = Annotated[Place, BeforeValidator(_place(ids.is_id)), _TEXT]


class PageQuery(BaseModel):
    """The query of every list; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    limit: Annotated[int, Field(ge=1, le=MAXIMUM), BeforeValidator(_number)] = MAXIMUM
    """Maximum number of rows in the answer."""

    @property
    def rows(self) -> int:
        """The number of rows to read: one more than ``limit`` shows if more follow."""
        return self.limit + 1


class OwnedQuery(PageQuery):
    """The query of a list of shares or drop links, newest first."""

    after: _ShortPlace | None = None
    """The cursor of a page, from the URL in `next`."""
    owner: str | None = None
    """For administrators: the name of the user whose rows to list, or `*` for all
    users. By default, the caller's rows are listed."""


class FilesQuery(PageQuery):
    """The query of the list of files, newest first."""

    after: _FilePlace | None = None
    """The cursor of a page, from the URL in `next`."""
    owner: str | None = None
    """For administrators: the name of the user whose files to list, or `*` for all
    users. By default, the caller's files are listed."""
    drop: Annotated[str, AfterValidator(_drop_id)] | None = None
    """The id of a drop link: only files uploaded to it are listed."""


class HistoryQuery(PageQuery):
    """The query of a share's history, newest first."""

    after: Annotated[int, BeforeValidator(_entry), _TEXT] | None = None
    """The cursor of a page, from the URL in `next`."""


class RevocationsQuery(PageQuery):
    """The query of the list of revocations, in the order of their subjects."""

    after: Annotated[str, AfterValidator(_subject)] = ""
    """The cursor of a page, from the URL in `next`."""


Q = TypeVar("Q", bound=PageQuery)


def read(model: type[Q], *, limit: int = MAXIMUM) -> Q:
    """Return the current request's query; *limit* is the default of its limit.

    Raise BadFieldsError with every key that does not fit *model*.
    """
    try:
        return model.model_validate({"limit": limit, **request.args.to_dict()})
    except ValidationError as error:
        raise BadFieldsError(faults(error)) from None


def chosen_owner(
    connection: Connection, identity: Identity, name: str | None
) -> User | None:
    """Return the user that ``?owner=`` names, or None for all users.

    Without a *name*, return the user of *identity*.  Raise NotPermittedError if
    *identity* is not an admin, NotServableError for a user that does not exist.
    """
    if name is None:
        return identity.user
    if not identity.is_admin:
        raise NotPermittedError("admin")
    if name == EVERYBODY:
        return None
    try:
        return users.by_name(connection, name)
    except AccountError:
        raise NotServableError("no-user") from None


def newest(rows: Sequence[R], query: PageQuery) -> tuple[Sequence[R], str | None]:
    """Return the rows of the page, and the URL of the next page, or None.

    *rows* are the rows that were read, at most ``query.rows``.
    """
    return cut(rows, query, lambda last: f"{last.created}.{last.id}")


def cut(
    rows: Sequence[S], query: PageQuery, cursor: Callable[[S], str]
) -> tuple[Sequence[S], str | None]:
    """Do the same as ``newest`` for any rows; *cursor* returns the cursor of a row."""
    page = rows[: query.limit]
    if len(rows) <= query.limit:
        return page, None
    return page, listed(after=cursor(page[-1]))


def listed(**changed: str | None) -> str:
    """Return the URL of the request's list with another query; None removes a key."""
    terms = {**request.args.to_dict(), **changed}
    query = urlencode({k: v for k, v in terms.items() if v is not None}, safe="*")
    path = prefixed(request.path)
    return f"{path}?{query}" if query else path
