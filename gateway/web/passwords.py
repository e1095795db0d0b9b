"""Passwords of people who log in or change theirs, with a limit of tries."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

from flask import request

from gateway.catalog import tries, users
from gateway.catalog.tries import Subject
from gateway.errors import WrongPasswordError
from gateway.web.verdicts import CLIENT_ADDRESS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.users import User

_PER_ACCOUNT: Final = 10
_PER_ADDRESS: Final = 50


@dataclass(frozen=True)
class Passwords:
    """Checks and changes passwords, with no transaction open while argon2 runs."""

    database: Database

    def check(self, name: str, password: str, *, now: int) -> User:
        """Return the user whose password it is.

        Raise WrongPasswordError or TooManyTriesError; for an account that does
        not exist both look the same and take as long.
        """
        account = Subject("account", name, _PER_ACCOUNT)
        address = Subject("address", _network(), _PER_ADDRESS)
        with self.database.write() as connection:
            tries.spend(connection, account, now=now)
            tries.spend(connection, address, now=now)
        with self.database.read() as connection:
            found = users.credentials(connection, name)
        user = found.check(password)
        if user is None:
            raise WrongPasswordError
        with self.database.write() as connection:
            _require_unchanged(connection, user)
            tries.clear(connection, account)
            tries.give_back(connection, address)
        return user

    def change(self, user: User, password: str) -> User:
        """Give *user*, as ``check`` returned them, a new password.

        Return the user with it.  Raise AccountError for a bad password, and
        WrongPasswordError if the one that was checked is not the current one any
        more, or the account was disabled meanwhile.
        """
        password_hash = users.hash_password(password)
        with self.database.write(may_use_reserve=True) as connection:
            _require_unchanged(connection, user)
            return users.set_password(connection, user, password_hash)


def _require_unchanged(connection: Connection, user: User) -> None:
    if not users.is_unchanged(connection, user):
        raise WrongPasswordError


def _network() -> str:
    """Return the client's address; of IPv6 its /64, which is one subscriber's."""
    text: str = request.environ.get(CLIENT_ADDRESS, "")
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if not isinstance(address, IPv6Address):
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False))
