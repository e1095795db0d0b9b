"""Check and change passwords; wrong passwords delay further attempts."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from flask import request

from gateway.catalog import login_attempts, tokens, users
from gateway.errors import WrongPasswordError
from gateway.links.policy import without_translation
from gateway.web.nginx.verdicts import CLIENT_ADDRESS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.login_attempts import Counter
    from gateway.catalog.users import User
    from gateway.web.auth.browsers import KnownBrowsers


@dataclass(frozen=True)
class Passwords:
    """Checks and changes passwords; no transaction is open while argon2 runs."""

    database: Database
    browsers: KnownBrowsers

    def check(self, name: str, password: str, *, now: int) -> User:
        """Return the user with this name and password.

        Raise WrongPasswordError or TooManyAttemptsError.  An account that does not
        exist raises the same errors after the same time.
        """
        with self.database.read() as connection:
            credentials = users.credentials(connection, name)
        own, shared = self._counters(name, credentials.user)
        with self.database.write() as connection:
            login_attempts.spend(connection, (own, *shared), now=now)
        user = credentials.check(password)
        if user is None:
            raise WrongPasswordError
        with self.database.write() as connection:
            _require_unchanged(connection, user)
            login_attempts.clear(connection, own)
            for counter in shared:
                login_attempts.give_back(connection, counter)
        return user

    def change(
        self, user: User, password: str, *, now: int, with_tokens: bool = False
    ) -> User:
        """Set a new password for *user*, as returned by ``check``; return the new user.

        All sessions of the user end, and with *with_tokens* all tokens are revoked.
        Raise AccountError for an unsuitable password, and WrongPasswordError if the
        password was changed or the account disabled since ``check``.
        """
        password_hash = users.hash_password(password)
        with self.database.write(may_use_reserve=True) as connection:
            _require_unchanged(connection, user)
            if with_tokens:
                tokens.revoke_all(connection, user, now=now)
            return users.set_password(connection, user, password_hash)

    def _counters(
        self, name: str, user: User | None
    ) -> tuple[Counter, tuple[Counter, ...]]:
        """Return the counters of an attempt: the client's own, and shared counters.

        A recognized browser has only its own counter.  Any other client is counted by
        its network, and in the shared counters of the account and the address.
        """
        account = login_attempts.account(None if user is None else user.id, name)
        browser = self.browsers.of_request(user)
        if browser is not None:
            return login_attempts.by_browser(account, browser), ()
        return login_attempts.by_network(account, network()), (
            login_attempts.by_account(account),
            login_attempts.by_address(_address()),
        )


def network() -> str:
    """Return the client's network: a /24 for IPv4, a /64 for IPv6."""
    address = _parsed()
    if address is None:
        return ""
    length = 24 if isinstance(address, IPv4Address) else 64
    return str(ip_network((address, length), strict=False))


def _address() -> str:
    """Return the client's address; for IPv6 the /64, which identifies a subscriber."""
    address = _parsed()
    return network() if isinstance(address, IPv6Address) else str(address)


def _parsed() -> IPv4Address | IPv6Address | None:
    try:
        return without_translation(ip_address(request.environ.get(CLIENT_ADDRESS, "")))
    except ValueError:  # a unix socket has no address
        return None


def _require_unchanged(connection: Connection, user: User) -> None:
    if not users.is_unchanged(connection, user):
        raise WrongPasswordError
