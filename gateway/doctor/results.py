"""What a check has found, under a code that does not change between releases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.storage.names import visible

_MAXIMUM_TEXT: Final = 200
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")


class Code(StrEnum):
    """The codes of findings; ``docs/operations.md`` says how each is mended."""

    # The address.
    UNREACHABLE = "unreachable"
    NOT_A_GATEWAY = "not-a-gateway"
    HOST_REFUSED = "host-refused"
    PATH_PREFIX = "path-prefix"
    NOT_READY = "not-ready"
    PLAIN_HTTP = "plain-http"
    TLS_INVALID = "tls-invalid"
    TLS_ENDS = "tls-ends"
    PUBLIC_URL = "public-url"
    # A proxy before the gateway.
    ERRORS_REPLACED = "errors-replaced"
    HEADERS_STRIPPED = "headers-stripped"
    METHODS_BLOCKED = "methods-blocked"
    UPLOADS_BUFFERED = "uploads-buffered"
    UPLOADS_LIMITED = "uploads-limited"
    COMPRESSED = "compressed"
    CACHED = "cached"
    RANGE_STRIPPED = "range-stripped"
    ETAG_STRIPPED = "etag-stripped"
    ACCEPT_RANGES_STRIPPED = "accept-ranges-stripped"
    FORGED_ADDRESS = "forged-address"
    PROXY_AS_CLIENT = "proxy-as-client"
    FORWARDED_PROTO = "forwarded-proto"
    # What nobody may reach from outside.
    INTERNAL_REACHABLE = "internal-reachable"
    METRICS_REACHABLE = "metrics-reachable"
    # What both sides must agree on.
    CLOCK = "clock"
    LINK_REFUSED = "link-refused"
    FILE_REFUSED = "file-refused"
    # The machine.
    SETTINGS = "settings"
    KEYS_SHORT = "keys-short"
    KEYS_OLD = "keys-old"
    PERMISSIONS = "permissions"
    OWNER = "owner"
    DISK_FULL = "disk-full"
    BUCKET = "bucket"
    NOT_RUNNING = "not-running"
    NGINX_CONF_OLD = "nginx-conf-old"
    LEDGER = "ledger"
    CATALOG = "catalog"
    CATALOG_SCHEMA = "catalog-schema"
    HOUSEKEEPING = "housekeeping"
    MAIL_RELAY = "mail-relay"
    MAILS_WAIT = "mails-wait"


class State(StrEnum):
    """Whether a check passed."""

    PASSED = "ok"
    FOUND = "finding"
    NOT_CHECKED = "not checked"
    """The check could not be made, which says nothing about the deployment."""


@dataclass(frozen=True)
class Result:
    """The result of one check.

    ``text`` is a sentence with the measured fact, or the reason why the check could not
    be made.  ``mend`` says which line mends a finding; otherwise it is empty.
    """

    code: Code
    state: State
    text: str
    mend: str = ""


def passed(code: Code, text: str) -> Result:
    """Return the result of a check that passed."""
    return Result(code, State.PASSED, text)


def found(code: Code, text: str, mend: str) -> Result:
    """Return a finding, and what mends it."""
    return Result(code, State.FOUND, text, mend)


def not_checked(code: Code, reason: str) -> Result:
    """Return the result of a check that could not be made."""
    return Result(code, State.NOT_CHECKED, reason)


def shown(text: str) -> str:
    """Return text of a server as one short line that is safe on a terminal."""
    line = visible(_UNPRINTABLE.sub(" ", text)).strip()
    return line if len(line) <= _MAXIMUM_TEXT else f"{line[:_MAXIMUM_TEXT]}..."
