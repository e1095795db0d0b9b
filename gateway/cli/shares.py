"""``gateway shares``: manage shares, which are links that give files to others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gateway.catalog import recipients, shares, users
from gateway.cli import times
from gateway.cli.catalog import open_catalog
from gateway.cli.links import public_address
from gateway.cli.options import JSON, LIMIT, USER, Id
from gateway.cli.share_options import LABEL, TO, UPLOAD, PolicyOptions, policy_options
from gateway.cli.tree_paths import TypedPaths
from gateway.config import secret_files
from gateway.errors import (
    MissingShareError,
    MissingUploadError,
    NotServableError,
    SettingsError,
)
from gateway.shares import access, addresses, export
from gateway.shares.changes import ShareChanges
from gateway.shares.codes import ShareCodes
from gateway.shares.description import (
    Descriptions,
    RecipientState,
    gather,
    summarize,
)
from gateway.shares.policy import LIFE, SharePolicy
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import NewItem, Share
    from gateway.shares.description import ShareDescription


@dataclass(frozen=True)
class _Services:
    """The catalog and the services that the commands use."""

    database: Database
    changes: ShareChanges
    descriptions: Descriptions
    paths: TypedPaths

    @classmethod
    def open(cls) -> _Services:
        """Open the catalog; raise SettingsError if a setting is missing."""
        database, current = open_catalog()
        if current.secret is None:
            raise SettingsError([secret_files.missing_fault("secret", current.data)])
        address = public_address(current)
        return cls(
            database,
            ShareChanges(database, current.mail_limit),
            Descriptions(ShareCodes(current.secret), lambda: address),
            TypedPaths.of(current),
        )

    def share(self, share_id: str) -> Share:
        """Return the share with that id; raise MissingShareError if it is missing."""
        try:
            return access.find_share(self.database, share_id, owner=None)
        except NotServableError:
            raise MissingShareError(f"share {share_id}") from None

    def recipient(self, share: Share, recipient_id: str) -> Recipient:
        """Return a recipient of a share; raise MissingShareError if it is missing."""
        try:
            return access.find_recipient(self.database, share, recipient_id)
        except NotServableError:
            what = f"recipient {recipient_id} of the share {share.id}"
            raise MissingShareError(what) from None

    def new_items(
        self, paths: Sequence[str], upload_ids: Sequence[str]
    ) -> list[NewItem]:
        """Return new items for paths of files and for uploads.

        Raise BadFieldsError for a missing path, MissingUploadError for an upload.
        """
        items = []
        if paths:
            files = self.paths.files()
            if files is None:
                raise SettingsError(["GATEWAY_FILES: is not set, but PATH needs it"])
            items = [
                access.path_item(files, self.paths.relative(path), owner=None)
                for path in paths
            ]
        for upload_id in upload_ids:
            try:
                items.append(access.upload_item(self.database, upload_id, owner=None))
            except NotServableError:
                raise MissingUploadError(upload_id) from None
        return items

    def describe(self, shares: Sequence[Share]) -> list[ShareDescription]:
        """Return the descriptions of shares."""
        now = times.now()
        with self.database.read() as connection:
            return [
                self.descriptions.of(each, now=now)
                for each in gather(connection, shares)
            ]


@click.group("shares")
def group() -> None:
    """Manage shares: links that give files to others."""


@group.command("new")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@UPLOAD
@policy_options
@TO
@LABEL
@JSON
def new(
    *,
    paths: tuple[str, ...],
    upload_ids: tuple[str, ...],
    to: tuple[str, ...],
    label: str,
    as_json: bool,
    **options: Any,  # noqa: ANN401 -- the fields of PolicyOptions
) -> None:
    """Create a share of files, folders or uploads, and print its links.

    PATH is a file or folder of the files tree. Without --to, the share has one link.
    With --to, it has a link for each recipient: the address is printed after the link
    and a tab, and the link is mailed if a relay is set. By default the share expires
    after 14 days.
    """
    if not paths and not upload_ids:
        raise click.UsageError("give a PATH or --upload")
    now = times.now()
    services = _Services.open()
    policy = PolicyOptions(**options).apply(SharePolicy(expires=now + LIFE), now=now)
    items = services.new_items(paths, upload_ids)
    parsed = addresses.parse(to, label=label)
    share, _ = services.changes.make(None, policy, items, parsed, now=now)
    _print(services, share, as_json=as_json)


@group.command("list")
@USER
@LIMIT
@JSON
def list_shares(*, user: str | None, limit: int, as_json: bool) -> None:
    """List shares, newest first.

    Prints id, state, number of links, expiry and title.
    """
    services = _Services.open()
    now = times.now()
    with services.database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        newest = shares.newest(connection, owner, limit=limit)
        summaries = [] if as_json else summarize(connection, newest)
    if as_json:
        rows = [each.model_dump(mode="json") for each in services.describe(newest)]
        click.echo(json.dumps(rows))
        return
    for each in summaries:
        share = each.share
        click.echo(
            f"{share.id}  {share.state(now=now)}  {each.links}  "
            f"until {times.day(share.expires, default='revoked')}  {each.name}"
        )


@group.command("show")
@click.argument("share_id", metavar="ID", type=Id())
@JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print all downloads as CSV.")
def show(*, share_id: str, as_json: bool, as_csv: bool) -> None:
    """Show the share ID with its links and their downloads.

    Prints for each link: id, state, downloads taken, bytes sent, the link and, after a
    tab, the address or label and the state of the mail. --csv prints a table with the
    bytes sent of each file in each download.
    """
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    services = _Services.open()
    share = services.share(share_id)
    if as_csv:
        with services.database.read() as connection:
            for line in export.table(connection, share.id):
                click.echo(line, nl=False)
        return
    (description,) = services.describe([share])
    if as_json:
        click.echo(json.dumps(description.model_dump(mode="json")))
        return
    limits = [f"until {times.day(share.expires, default='revoked')}"]
    if share.max_downloads:
        plural = "s" if share.max_downloads > 1 else ""
        limits.append(f"{share.max_downloads} download{plural} of each link")
    if share.password_hash:
        limits.append("with a password")
    title = description.title or share.id
    click.echo(f"{title}: {description.state}, {', '.join(limits)}")
    for item in description.items:
        click.echo(f"  {visible(item.path or item.name)}")
    for each in description.recipients:
        sent = f" {each.percent} %" if each.state == RecipientState.PARTLY else ""
        mail = f"  mail {each.mail}  {each.mail_words}" if each.address else ""
        name = each.address or each.label
        click.echo(
            f"{each.id}  {each.state}{sent}  taken {each.taken}  "
            f"sent {each.sent}  {each.url}\t{name}{mail.rstrip()}"
        )


@group.command("edit")
@click.argument("share_id", metavar="ID", type=Id())
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="PATH",
    help="Share this file or folder instead; repeatable.",
)
@UPLOAD
@policy_options
@TO
@LABEL
@click.option(
    "--give-back",
    "recipient_id",
    type=Id(),
    metavar="RECIPIENT",
    help="Allow one more download with this recipient's link.",
)
@JSON
def edit(
    *,
    share_id: str,
    recipient_id: str | None,
    paths: tuple[str, ...],
    upload_ids: tuple[str, ...],
    to: tuple[str, ...],
    label: str,
    as_json: bool,
    **options: Any,  # noqa: ANN401 -- the fields of PolicyOptions
) -> None:
    """Change the share ID; its links stay the same.

    --path and --upload replace the shared files. --to adds recipients.
    """
    services = _Services.open()
    now = times.now()
    share = services.share(share_id)
    policy = PolicyOptions(**options).apply(SharePolicy.of(share), now=now)
    items = services.new_items(paths, upload_ids) if paths or upload_ids else None
    added = addresses.parse(to, label=label) if to else []
    if recipient_id is not None:
        services.changes.give_back(
            None, services.recipient(share, recipient_id), now=now
        )
    changed = services.changes.edit(None, share, policy, items=items, now=now)
    if added:
        services.changes.add_recipients(None, changed, added, now=now)
    _print(services, changed, as_json=as_json)


@group.command("revoke")
@click.argument("share_id", metavar="ID", type=Id())
@click.option(
    "--recipient",
    "recipient_id",
    type=Id(),
    metavar="ID",
    help="Revoke only this recipient's link.",
)
def revoke(*, share_id: str, recipient_id: str | None) -> None:
    """Revoke the share ID with all its links, or one link."""
    services = _Services.open()
    share = services.share(share_id)
    if recipient_id is None:
        services.changes.revoke(None, share, now=times.now())
        return
    recipient = services.recipient(share, recipient_id)
    services.changes.revoke_recipient(None, recipient, now=times.now())


@group.command("resend")
@click.argument("share_id", metavar="ID", type=Id())
@click.option(
    "--recipient",
    "recipient_id",
    type=Id(),
    metavar="ID",
    help="Send only to this recipient.",
)
@JSON
def resend(*, share_id: str, recipient_id: str | None, as_json: bool) -> None:
    """Mail the links of the share ID again and print the addresses.

    Recipients whose last mail is still waiting are skipped.
    """
    services = _Services.open()
    share = services.share(share_id)
    with services.database.read() as connection:
        to = recipients.of_shares(connection, [share.id])
    if recipient_id is not None:
        to = [services.recipient(share, recipient_id)]
    sent = services.changes.resend(None, share, to, now=times.now())
    if as_json:
        rows = [{"id": each.id, "address": each.address} for each in sent]
        click.echo(json.dumps(rows))
        return
    for each in sent:
        click.echo(each.address)


def _print(services: _Services, share: Share, *, as_json: bool) -> None:
    (description,) = services.describe([share])
    if as_json:
        click.echo(json.dumps(description.model_dump(mode="json")))
        return
    for each in description.recipients:
        address = f"\t{each.address}" if each.address else ""
        click.echo(f"{each.url}{address}")
