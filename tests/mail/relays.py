"""Mail relays on this machine, correct and faulty, based on aiosmtpd."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword

from tests.live.ports import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from aiosmtpd.smtp import Envelope, Session

    #: A relay's answer to a command: a line, or a function that does something else.
    Answer = str | Callable[[SMTP], Awaitable[str]]

HOST: Final = "localhost"
USER: Final = "me"
PASSWORD: Final = "TheSecret-\u00e4"


async def silence(_: SMTP) -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return ""


async def hang_up(server: SMTP) -> str:
    """Close the connection without an answer."""
    _line(server).close()
    return await silence(server)


async def dribble(server: SMTP) -> str:
    """Send lines of a reply forever, without its last line."""
    while True:
        _line(server).write(b"250-and\r\n")
        await asyncio.sleep(0.02)


async def pour(server: SMTP) -> str:
    """Send thousands of lines of a reply at once, without its last line."""
    _line(server).write(b"250-and\r\n" * 10_000)
    return await silence(server)


async def babble(server: SMTP) -> str:
    """Send a reply that is not SMTP."""
    _line(server).write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return await silence(server)


def _line(server: SMTP) -> asyncio.Transport:
    assert isinstance(server.transport, asyncio.Transport)
    return server.transport


def content(mail: Envelope) -> bytes:
    """Return a mail's bytes as the relay received them."""
    assert isinstance(mail.content, bytes)
    return mail.content


@dataclass
class FakeRelay:
    """A relay, with its answers and the mails that it has accepted.

    All answers are positive except those in ``answers``, by command; ``CONNECT`` is the
    connection, ``DOT`` the end of a mail.  Several answers to a command are used one
    after another, and the last answer is repeated.
    """

    answers: Mapping[str, Answer | list[Answer]] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a gateway that uses this relay."""
        return {
            "GATEWAY_MAIL_URL": f"smtp://{HOST}:{self.port}?tls=none",
            "GATEWAY_MAIL_FROM": "Files of Example <files@example.com>",
        }

    @property
    def connections(self) -> int:
        """The number of connections."""
        return self.commands.count("CONNECT")

    async def answer(self, command: str, server: SMTP, good: str) -> str:
        """Return the answer to a command."""
        self.commands.append(command)
        chosen = self.answers.get(command, good)
        if isinstance(chosen, list):
            chosen = chosen.pop(0) if len(chosen) > 1 else chosen[0]
        return chosen if isinstance(chosen, str) else await chosen(server)

    async def handle_EHLO(  # noqa: N802 -- aiosmtpd calls it so
        self,
        server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        answered = await self.answer("EHLO", server, "")
        return [answered] if answered else responses

    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answered = await self.answer("MAIL", server, "250 OK")
        if answered.startswith("2"):
            envelope.mail_from, envelope.mail_options = address, options
        return answered

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        answered = await self.answer("RCPT", server, "250 OK")
        if answered.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answered

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        answered = await self.answer("DOT", server, "250 queued as 1")
        if answered.startswith("2"):
            self.mails.append(envelope)
        return answered

    async def handle_RSET(  # noqa: N802
        self, server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        return await self.answer("RSET", server, "250 OK")

    async def handle_AUTH(  # noqa: N802
        self, server: SMTP, _session: Session, _envelope: Envelope, _args: list[str]
    ) -> Any:
        return await self.answer("AUTH", server, "") or MISSING

    def log_in(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        login: LoginPassword,
    ) -> AuthResult:
        """Accept a client with the right password."""
        self.logins.append((login.login.decode(), login.password.decode()))
        is_right = self.logins[-1] == (USER, PASSWORD)
        return AuthResult(success=is_right, handled=False)

    @contextmanager
    def running(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        **more: Any,
    ) -> Iterator[FakeRelay]:
        """Serve; *tls* starts at once, *more* are arguments of aiosmtpd's SMTP."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        sessions: list[_Session] = []

        def session() -> _Session:
            sessions.append(
                _Session(
                    self,
                    loop=loop,
                    hostname=HOST,
                    authenticator=self.log_in,
                    auth_require_tls="tls_context" in more,
                    **more,
                )
            )
            return sessions[-1]

        async def start() -> asyncio.Server:
            return await loop.create_server(session, "127.0.0.1", self.port, ssl=tls)

        async def stop() -> None:
            server.close()
            for one in sessions:
                if one.transport is not None:
                    _line(one).abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class _Session(SMTP):
    """One connection; aiosmtpd has no hooks for the methods overridden here."""

    event_handler: FakeRelay

    async def _handle_client(self) -> None:
        answered = await self.event_handler.answer("CONNECT", self, "")
        if answered:
            await self.push(answered)
            _line(self).close()
        else:
            await super()._handle_client()

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        answered = await self.event_handler.answer("STARTTLS", self, "")
        await (self.push(answered) if answered else super().smtp_STARTTLS(arg))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        answered = await self.event_handler.answer("DATA", self, "")
        await (self.push(answered) if answered else super().smtp_DATA(arg))
