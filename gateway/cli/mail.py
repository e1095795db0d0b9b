"""``gateway mail``: test the mail relay."""

from __future__ import annotations

import json
import secrets
from typing import Final

import click

from gateway.cli import times
from gateway.cli.options import JSON
from gateway.config import settings
from gateway.errors import RelayError, SettingsError
from gateway.mail import languages
from gateway.mail.letters import TestMail
from gateway.mail.message import compose, raw
from gateway.mail.relay import Relay
from gateway.mail.replies import Outcome, State
from gateway.mail_address import Mailbox

_ID_BYTES: Final = 16


class Address(click.ParamType[Mailbox]):
    """``anna@example.com`` or ``Anna <anna@example.com>``."""

    name = "address"

    def convert(
        self,
        value: str | Mailbox,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Mailbox:
        """Parse the text, or fail with the reason why it is not an address."""
        if isinstance(value, Mailbox):
            return value
        try:
            return Mailbox.parse(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


@click.group()
def mail() -> None:
    """Test the mail relay."""


@mail.command("test")
@click.argument("address", type=Address())
@click.option(
    "--lang",
    type=click.Choice(languages.codes()),
    default=languages.ENGLISH,
    show_default=True,
    help="Language of the mail.",
)
@JSON
def test(*, address: Mailbox, lang: str, as_json: bool) -> None:
    """Send a test mail to ADDRESS and print the SMTP dialogue.

    Lines of the gateway begin with C:, lines of the relay with S:.

    Exits with status 1 if the relay does not accept the mail.
    """
    required = ("mail_url", "mail_from")
    current = settings.read(required=required, only=(*required, "name")).settings
    url, sender = current.mail_url, current.mail_from
    if url is None or sender is None:
        raise SettingsError(
            [f"GATEWAY_{name.upper()}: is not set" for name in required]
        )
    letter = TestMail(to=address, site=sender.name or current.name, lang=lang).letter()
    content = raw(
        compose(
            letter,
            sender=sender,
            message_id=secrets.token_hex(_ID_BYTES),
            now=times.now(),
        )
    )
    dialogue: list[str] = []
    on_line = dialogue.append if as_json else click.echo
    with Relay(url, sender.wire, on_line=on_line) as relay:
        try:
            outcome = relay.send(address.wire, content)
        except RelayError as error:
            outcome = Outcome(State.LATER, str(error))
    if as_json:
        facts = {"state": outcome.state, "words": outcome.words, "dialogue": dialogue}
        click.echo(json.dumps(facts))
    if outcome.state is not State.ACCEPTED:
        raise RelayError(
            f"the mail was not accepted ({outcome.state}): {outcome.words}"
        )
