"""What the API can do and what the commands can do: each is told of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.cli import gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.conftest import Site

#: The command that does what an operation of the API does, with its option.
COMMANDS = {
    "listFiles": "files list",
    "getFile": "files show",
    "uploadFile": "upload",
    "uploadForm": "upload",
    "deleteFile": "files delete",
    "createLink": "sign --upload",
    "listShares": "shares list",
    "createShare": "shares new",
    "getShare": "shares show",
    "getSentTable": "shares show --csv",
    "listShareHistory": "audit",
    "editShare": "shares edit",
    "revokeShare": "shares revoke",
    "addRecipients": "shares edit --to",
    "revokeRecipient": "shares revoke --recipient",
    "mailRecipient": "shares resend --recipient",
    "giveBack": "shares edit --give-back",
    "listDrops": "drops list",
    "createDrop": "drops new",
    "revokeDrop": "drops revoke",
    "listRevocations": "revoke --list",
    "createRevocation": "revoke",
    "undoRevocation": "revoke --undo",
}
#: Operations without a command, and why.
API_ONLY = {"getDescription": "it describes the API"}
#: Commands without an operation, and why.
OPERATOR = "for the operator, who has the machine"
COMMANDS_ONLY = {
    "backup": OPERATOR,
    "db upgrade": OPERATOR,
    "doctor": OPERATOR,
    "fsck": OPERATOR,
    "housekeep": OPERATOR,
    "inspect": "a site can verify a signed URL with the library, without a request",
    "keys list": OPERATOR,
    "keys new": OPERATOR,
    "mail test": OPERATOR,
    "nginx-conf": OPERATOR,
    "reload": OPERATOR,
    "restore": OPERATOR,
    "secrets new": OPERATOR,
    "secrets rotate": OPERATOR,
    "serve": OPERATOR,
    "tokens list": "a stolen token must not make others that outlive it",
    "tokens new": "a stolen token must not make others that outlive it",
    "tokens revoke": "a stolen token must not revoke the others",
    "users add": OPERATOR,
    "users disable": OPERATOR,
    "users list": OPERATOR,
    "users mail": OPERATOR,
    "users passwd": OPERATOR,
    "users sessions": "a person ends sessions on a page",
    "users unlock": OPERATOR,
}


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below *group*, by the words that are typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


def test_every_operation_has_a_command_or_a_reason(site: Site) -> None:
    document: Any = site.client.get("/api/v1/openapi.json").json
    known = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert sorted(known) == sorted([*COMMANDS, *API_ONLY])


def test_every_command_has_an_operation_or_a_reason() -> None:
    with_operation = {text.partition(" --")[0] for text in COMMANDS.values()}
    known = [name for name, _ in commands(gateway)]
    assert sorted(known) == sorted([*with_operation, *COMMANDS_ONLY])


def test_the_options_that_stand_for_operations_are_there() -> None:
    named = {
        (command, f"--{option}")
        for command, _, option in (t.partition(" --") for t in COMMANDS.values())
        if option
    }
    options = {
        (name, option)
        for name, command in commands(gateway)
        for parameter in command.params
        for option in parameter.opts
    }
    assert named - options == set()
