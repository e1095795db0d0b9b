"""The JSON objects of the API: what requests send and what answers have.

The descriptions of shares, uploads and drop links are the commands' as well, and stand
in ``gateway/shares/description.py`` and ``gateway/uploads/description.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.catalog.audit import Action
from gateway.errors import BadNameError
from gateway.links.claims import MAXIMUM_NETWORKS, MAXIMUM_NUMBER
from gateway.shares.description import ShareDescription
from gateway.storage.names import DisplayName
from gateway.uploads.description import DropDescription, UploadDescription
from gateway.web.api.json_bodies import Body, End, ExpiringBody, Moment

if TYPE_CHECKING:
    from gateway.links.signer import Expiry

_FROZEN: Final = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FieldFault(BaseModel):
    """What is wrong with one field of a request."""

    model_config = _FROZEN

    field: str
    """The path of the field, such as `items.0.path`; empty for the whole object."""
    detail: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = _FROZEN

    type: str
    """The URL path of the page about this class of problems: `/problems/NAME`."""
    title: str
    status: int
    detail: str
    request_id: str
    """The id under which the gateway's logs have the request."""
    errors: list[FieldFault] | None = None
    """The faulty fields, if the request's fields are the problem."""


def _name(text: str) -> str:
    try:
        return DisplayName.parse(text).text
    except BadNameError as error:
        raise ValueError(str(error)) from None


def _network(text: str) -> str:
    return str(ip_network(text))


class CreateLinkRequest(ExpiringBody):
    """A request to create a signed URL."""

    not_before: Moment | None = None
    """When the URL becomes valid."""
    attachment: bool = False
    """Whether browsers save the file instead of showing it."""
    name: Annotated[str, AfterValidator(_name)] | None = None
    """The name to save the file under; the upload's name if it is null."""
    rate: Annotated[int, Field(ge=1, le=MAXIMUM_NUMBER)] | None = None
    """Maximum rate, in bytes per second."""
    shared: bool = False
    """Whether shared caches, such as CDNs, may store the file."""
    networks: Annotated[
        list[Annotated[str, AfterValidator(_network)]],
        Field(max_length=MAXIMUM_NETWORKS),
    ] = Field(default=[])
    """The client networks (CIDR) from which the URL works; empty means any."""

    @property
    def expiry(self) -> Expiry:
        """Return the expiry in the form that a signer accepts."""
        if self.expires_in is not None:
            return timedelta(seconds=self.expires_in)
        return datetime.fromtimestamp(self.expires, UTC) if self.expires else "never"


class LinkDescription(BaseModel):
    """A signed URL."""

    model_config = _FROZEN

    url: str


class CreateDropRequest(ExpiringBody):
    """A request to create a drop link."""

    title: str = ""
    """The title that senders see; at most 200 characters."""
    max_uploads: int | None = None
    """Maximum number of files in total; null means 1000."""
    max_size: int | None = None
    """Maximum size of a file, in bytes; null means no limit."""
    max_total: int | None = None
    """Maximum size of all stored files, in bytes; null means 100 GiB."""
    types: list[str] = Field(default=[])
    """The accepted media types, such as `image/*`; empty means all types."""


class SharedItem(Body):
    """An upload by its id, or a file or folder of the files tree by its path."""

    upload: str | None = None
    path: str | None = None
    """For administrators."""


class EditShareRequest(Body):
    """The fields of a share; missing fields are not changed."""

    title: str = ""
    """The title that recipients see; at most 200 characters."""
    message: str = ""
    """The text below the title; at most 5000 characters."""
    lang: str = ""
    """The language of the mails, such as `de`; empty means English."""
    max: int | None = None
    """Maximum downloads per link; 0 or null means no limit."""
    password: str = Field(default="", repr=False)
    """The password of the share, 4 to 1024 characters; empty means no password."""
    otp: bool = False
    """Whether each download needs a one-time code, which is mailed to the recipient."""
    not_before: Moment | None = None
    """When the share becomes valid; null means at once."""
    expires: End | None = None
    """When the share expires; null changes nothing."""
    expires_in: Annotated[int, Field(ge=1)] | None = None
    """When the share expires, in seconds from now, instead of `expires`."""
    items: list[SharedItem] = Field(default=[])
    """The contents of the share: 1 to 100 uploads, files or folders."""


class AddRecipientsRequest(Body):
    """Recipients to add to a share."""

    to: list[str] = Field(default=[])
    """Mail addresses; each gets a link. If empty, one link without an address is
    created."""
    label: str = ""
    """A name for the recipients, for the owner; at most 100 characters."""


class CreateShareRequest(EditShareRequest, AddRecipientsRequest):
    """A request to create a share; by default it expires after 14 days."""


#: The subject fields of a revocation request: it has exactly one of them.
_SUBJECTS: Final = ("url", "path", "key", "upload")


class CreateRevocationRequest(Body):
    """The links to revoke, by one of `url`, `path`, `key` and `upload`."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in _SUBJECTS]}
    )

    url: str | None = None
    """One signed URL."""
    path: str | None = None
    """A path of the files tree: all links to this path and to paths below it are
    revoked; empty means all links."""
    key: str | None = None
    """The id of a link key: all links signed with this key are revoked."""
    upload: str | None = None
    """The id of an upload: all links to this upload are revoked."""
    before: Moment | None = None
    """Only links issued until this time are revoked; null means now. A single URL is
    revoked regardless of when it was issued."""

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if len(self._named) != 1:
            raise ValueError("give one of url, path, key and upload")
        if self.url is not None and self.before is not None:
            raise ValueError("before can't be combined with url")
        return self

    @property
    def _named(self) -> list[str]:
        return [name for name in _SUBJECTS if getattr(self, name) is not None]

    @property
    def field(self) -> str:
        """Return the name of the field that is given."""
        return self._named[0]


class RevocationDescription(BaseModel):
    """Revoked links; times are Unix seconds."""

    model_config = ConfigDict(**_FROZEN, from_attributes=True)

    subject: str
    """The revoked links: `url:MAC`, `path:PATH`, `key:ID` or `upload:ID`."""
    issued_until: int
    """Only links issued until this time are revoked."""
    created: int
    keep_until: int | None
    """When the revocation can be deleted, because its links have expired."""


class HistoryEntry(BaseModel):
    """One entry of a share's history."""

    model_config = ConfigDict(**_FROZEN, from_attributes=True)

    at: int
    """When, in Unix seconds."""
    actor: str
    """The name of the user who did it; empty for the operator."""
    action: Action
    detail: str
    """The changes, as JSON, or the ids of the recipients, separated by spaces."""


class _Page(BaseModel):
    """A page of a list."""

    model_config = _FROZEN

    next: str | None
    """The URL path of the next page, or null on the last page."""


class FilePage(_Page):
    """Uploads, the newest first."""

    files: list[UploadDescription]


class DropPage(_Page):
    """Drop links, the newest first."""

    drops: list[DropDescription]


class SharePage(_Page):
    """Shares, the newest first."""

    shares: list[ShareDescription]


class HistoryPage(_Page):
    """The history of a share, newest first."""

    history: list[HistoryEntry]


class RevocationPage(_Page):
    """Revocations, in the order of their subjects."""

    revocations: list[RevocationDescription]
