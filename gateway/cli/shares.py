"""``gateway shares`` and ``gateway audit``: links that give files to others."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.catalog import audit, recipients, shares, users
from gateway.cli import moments
from gateway.cli.catalog import open_catalog
from gateway.cli.links import public_address
from gateway.cli.lists import LIMIT
from gateway.cli.moments import DurationOrMoment
from gateway.cli.tree_paths import Tree
from gateway.config import settings
from gateway.errors import (
    MissingShareError,
    MissingUploadError,
    NotServableError,
    SettingsError,
)
from gateway.shares import access, addresses, export
from gateway.shares.changes import ShareChanges
from gateway.shares.codes import ShareCodes
from gateway.shares.description import Descriptions, gather, summarize
from gateway.shares.policy import LIFE, MAXIMUM_DOWNLOADS, SharePolicy, hash_password
from gateway.storage.names import visible
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import NewItem, Share

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
#: What a share can be told when it is made, and afterwards.
_POLICY: Final = (
    click.option("--title", help="What the recipients read first."),
    click.option("--message", help="What they read below it."),
    click.option(
        "--message-file",
        type=click.File(encoding="utf-8"),
        help="A file with the message; - is stdin.",
    ),
    click.option("--lang", help="Language of the mail: en, de."),
    click.option(
        "--expires", type=DurationOrMoment(), help="When it ends: 14d, 2030-01-31."
    ),
    click.option("--no-expiry", is_flag=True, help="It ends when it is revoked."),
    click.option("--not-before", type=DurationOrMoment(), help="When it begins."),
    click.option(
        "--max",
        "max_downloads",
        type=click.IntRange(min=0, max=MAXIMUM_DOWNLOADS),
        help="Downloads of each link, at most; 0 is no limit.",
    ),
    click.option(
        "--password",
        help="A password that opens it; - asks for one, an empty one is none.",
    ),
    click.option(
        "--otp/--no-otp",
        default=None,
        help="Each download needs a code that is mailed to the recipient.",
    ),
)
_TO: Final = click.option(
    "--to",
    multiple=True,
    metavar="ADDRESS",
    help="A recipient; repeat. Each has a link.",
)
_LABEL: Final = click.option(
    "--label", default="", help="What you call the recipients."
)


def _policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_POLICY):
        command = option(command)
    return command


@dataclass(frozen=True)
class _Desk:
    """What the commands work with."""

    database: Database
    changes: ShareChanges
    descriptions: Descriptions
    tree: Tree

    @classmethod
    def open(cls) -> _Desk:
        database, current = open_catalog()
        if current.secret is None:
            raise SettingsError([settings.without("secret", current.data)])
        tree = Tree.of(current)
        address = public_address(current)
        return cls(
            database,
            ShareChanges(database, current.mail_limit),
            Descriptions(ShareCodes(current.secret), lambda: address),
            tree,
        )

    def share(self, share_id: str) -> Share:
        """Return the share of that id; raise MissingShareError if there is none."""
        try:
            return access.find_share(self.database, share_id, owner=None)
        except NotServableError:
            share_id.encode()  # main() reports bytes that are not UTF-8
            raise MissingShareError(f"share {share_id}") from None

    def recipient(self, share: Share, recipient_id: str) -> Recipient:
        """Return that recipient of a share; raise MissingShareError for another one."""
        try:
            return access.find_recipient(self.database, share, recipient_id)
        except NotServableError:
            recipient_id.encode()  # main() reports bytes that are not UTF-8
            what = f"recipient {recipient_id} of the share {share.id}"
            raise MissingShareError(what) from None

    def new_items(
        self, paths: Sequence[str], upload_ids: Sequence[str]
    ) -> list[NewItem]:
        """Return items of paths in the tree and of uploads.

        Raise BadFieldsError or MissingUploadError for what is not there.
        """
        items = []
        if paths:
            if self.tree.files is None:
                raise SettingsError(["GATEWAY_FILES: is not set: no path is known"])
            tree = FilesTree(self.tree.files, self.tree.data)
            items = [
                access.path_item(tree, self.tree.relative(path), owner=None)
                for path in paths
            ]
        for upload_id in upload_ids:
            try:
                items.append(access.upload_item(self.database, upload_id, owner=None))
            except NotServableError:
                upload_id.encode()  # main() reports bytes that are not UTF-8
                raise MissingUploadError(upload_id) from None
        return items

    def facts(self, shares: Sequence[Share]) -> list[dict[str, Any]]:
        """Return what JSON prints of shares."""
        now = moments.now()
        with self.database.read() as connection:
            return [
                self.descriptions.facts(each, now=now)
                for each in gather(connection, shares)
            ]


@click.group("shares")
def group() -> None:
    """Make, change and end shares: links that give files to others."""


@group.command("new")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--upload", "upload_ids", multiple=True, metavar="ID", help="An upload.")
@_policy_options
@_TO
@_LABEL
@_JSON
def new(
    *,
    paths: tuple[str, ...],
    upload_ids: tuple[str, ...],
    to: tuple[str, ...],
    label: str,
    as_json: bool,
    **said: Any,  # noqa: ANN401
) -> None:
    """Share files or folders at PATH in the files tree, or uploads.

    Prints the link; with --to a line for each recipient: the link and, behind a tab,
    the address.  It ends after 14 days unless it says otherwise.
    """
    if not paths and not upload_ids:
        raise click.UsageError("give a PATH or --upload")
    now = moments.now()
    desk = _Desk.open()
    policy = _said(SharePolicy(expires=now + LIFE), now=now, **said)
    items = desk.new_items(paths, upload_ids)
    parsed = addresses.parse(to, label=label)
    made, _ = desk.changes.make(None, policy, items, parsed, now=now)
    _print(desk, made, as_json=as_json)


@group.command("list")
@click.option("--user", help="Only those of this user.")
@LIMIT
@_JSON
def list_shares(*, user: str | None, limit: int, as_json: bool) -> None:
    """List shares, newest first: id, state, links, end, title."""
    desk = _Desk.open()
    now = moments.now()
    with desk.database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        found = shares.newest(connection, owner, limit=limit)
        summaries = [] if as_json else summarize(connection, found)
    if as_json:
        click.echo(json.dumps(desk.facts(found)))
        return
    for each in summaries:
        share = each.share
        click.echo(
            f"{share.id}  {share.state(now=now)}  {each.links}  "
            f"until {_day(share.expires)}  {each.name}"
        )


@group.command("show")
@click.argument("share_id", metavar="ID")
@_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print what was sent, as CSV.")
def show(*, share_id: str, as_json: bool, as_csv: bool) -> None:
    """Show the share ID: its links, and how far each recipient has come.

    Of each link: id, state, downloads taken, bytes sent, the link and, behind a tab,
    address or label, and mail.  --csv is a table of what was sent of each file by each
    download.
    """
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    desk = _Desk.open()
    share = desk.share(share_id)
    if as_csv:
        with desk.database.read() as connection:
            for line in export.table(connection, share.id):
                click.echo(line, nl=False)
        return
    (facts,) = desk.facts([share])
    if as_json:
        click.echo(json.dumps(facts))
        return
    limits = [f"until {_day(share.expires)}"]
    if share.max_downloads:
        plural = "s" if share.max_downloads > 1 else ""
        limits.append(f"{share.max_downloads} download{plural} of each link")
    if share.password_hash:
        limits.append("with a password")
    click.echo(
        f"{facts['title'] or facts['id']}: {facts['state']}, {', '.join(limits)}"
    )
    for item in facts["items"]:
        click.echo(f"  {visible(item['path'] or item['name'])}")
    for each in facts["recipients"]:
        sent = f" {each['percent']} %" if each["state"] == "partly" else ""
        mail = f"  mail {each['mail']}  {each['mail_words']}" if each["address"] else ""
        who = each["address"] or each["label"]
        click.echo(
            f"{each['id']}  {each['state']}{sent}  taken {each['taken']}  "
            f"sent {each['sent']}  {each['url']}\t{who}{mail.rstrip()}"
        )


@group.command("edit")
@click.argument("share_id", metavar="ID")
@click.option("--path", "paths", multiple=True, help="Open this instead; repeat.")
@click.option("--upload", "upload_ids", multiple=True, metavar="ID", help="An upload.")
@_policy_options
@_TO
@_LABEL
@click.option(
    "--give-back",
    "recipient_id",
    metavar="RECIPIENT",
    help="Let this recipient's link be downloaded once more.",
)
@_JSON
def edit(
    *,
    share_id: str,
    recipient_id: str | None,
    paths: tuple[str, ...],
    upload_ids: tuple[str, ...],
    to: tuple[str, ...],
    label: str,
    as_json: bool,
    **said: Any,  # noqa: ANN401
) -> None:
    """Change the share ID under the same links.

    --path and --upload replace what it opens; --to adds recipients.
    """
    desk = _Desk.open()
    now = moments.now()
    share = desk.share(share_id)
    policy = _said(SharePolicy.of(share), now=now, **said)
    items = desk.new_items(paths, upload_ids) if paths or upload_ids else None
    added = addresses.parse(to, label=label) if to else []
    if recipient_id is not None:
        desk.changes.give_back(None, desk.recipient(share, recipient_id), now=now)
    changed = desk.changes.edit(None, share, policy, items=items, now=now)
    if added:
        desk.changes.add_recipients(None, changed, added, now=now)
    _print(desk, changed, as_json=as_json)


@group.command("revoke")
@click.argument("share_id", metavar="ID")
@click.option("--recipient", "recipient_id", metavar="ID", help="This link alone.")
def revoke(*, share_id: str, recipient_id: str | None) -> None:
    """End the share ID with all its links, or one of them."""
    desk = _Desk.open()
    share = desk.share(share_id)
    if recipient_id is None:
        desk.changes.revoke(None, share, now=moments.now())
        return
    recipient = desk.recipient(share, recipient_id)
    desk.changes.revoke_recipient(None, recipient, now=moments.now())


@group.command("resend")
@click.argument("share_id", metavar="ID")
@click.option("--recipient", "recipient_id", metavar="ID", help="To this one alone.")
@_JSON
def resend(*, share_id: str, recipient_id: str | None, as_json: bool) -> None:
    """Send the links of the share ID again, by mail, to those whose mail is over.

    Prints the addresses.
    """
    desk = _Desk.open()
    share = desk.share(share_id)
    with desk.database.read() as connection:
        to = recipients.of_shares(connection, [share.id])
    if recipient_id is not None:
        to = [desk.recipient(share, recipient_id)]
    sent = desk.changes.resend(None, share, to, now=moments.now())
    if as_json:
        rows = [{"id": each.id, "address": each.address} for each in sent]
        click.echo(json.dumps(rows))
        return
    for each in sent:
        click.echo(each.address)


@click.command("audit")
@click.argument("share_id", metavar="[SHARE]", required=False)
@LIMIT
@_JSON
def audit_command(*, share_id: str | None, limit: int, as_json: bool) -> None:
    """List what was done with shares, newest first: time, user, what, share, detail."""
    database, _ = open_catalog()
    with database.read() as connection:
        if share_id is None:
            found = audit.newest(connection, limit=limit)
        else:
            found = audit.of_share(connection, share_id, limit=limit)
    if share_id is not None and not found:
        raise MissingShareError(f"share {share_id}")
    if as_json:
        click.echo(json.dumps([vars(entry) for entry in found]))
        return
    for entry in found:
        at = datetime.fromtimestamp(entry.at, UTC)
        click.echo(
            f"{at:%FT%TZ}  {entry.actor or 'operator'}  {entry.action}  "
            f"{entry.share_id}  {entry.detail}".rstrip()
        )


def _said(
    policy: SharePolicy,
    *,
    now: int,
    title: str | None,
    message: str | None,
    message_file: Any,  # noqa: ANN401 -- an open file, or None
    lang: str | None,
    expires: timedelta | datetime | None,
    no_expiry: bool,
    not_before: timedelta | datetime | None,
    max_downloads: int | None,
    password: str | None,
    otp: bool | None,
) -> SharePolicy:
    """Return *policy* with what the options say."""
    if expires is not None and no_expiry:
        raise click.UsageError("give --expires or --no-expiry, not both")
    if message is not None and message_file is not None:
        raise click.UsageError("give --message or --message-file, not both")
    if message_file is not None:
        message = _text(message_file)
    as_said = {"title": title, "message": message, "lang": lang, "has_otp": otp}
    values: dict[str, Any] = {k: v for k, v in as_said.items() if v is not None}
    if expires is not None:
        values["expires"] = _second(expires, now)
    if no_expiry:
        values["expires"] = None
    if not_before is not None:
        values["not_before"] = _second(not_before, now)
    if max_downloads is not None:
        values["max_downloads"] = max_downloads or None
    if password == "-":  # noqa: S105
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if password is not None:
        values["password_hash"] = hash_password(password) if password else None
    return replace(policy, **values)


def _text(file: Any) -> str:  # noqa: ANN401 -- an open file
    try:
        return str(file.read())
    except UnicodeDecodeError as error:
        raise click.UsageError("--message-file: is no text in UTF-8") from error


def _print(desk: _Desk, share: Share, *, as_json: bool) -> None:
    (facts,) = desk.facts([share])
    if as_json:
        click.echo(json.dumps(facts))
        return
    for each in facts["recipients"]:
        address = f"\t{each['address']}" if each["address"] else ""
        click.echo(f"{each['url']}{address}")


def _second(moment: timedelta | datetime, now: int) -> int:
    if isinstance(moment, timedelta):
        return now + int(moment.total_seconds())
    return int(moment.timestamp())


def _day(moment: int | None) -> str:
    return "revoked" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%F}"
