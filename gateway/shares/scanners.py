"""Detects downloads by link scanners, only to label them in reports.

The result never decides whether a download is permitted or counted.

Mail scanners often pretend to be browsers.  This module detects scanners that name
themselves, and some that are too fast for a person.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: Words in the User-Agent of crawlers, link previews, checkers and automated browsers,
#: but not of ordinary browsers.  A URL or address points to the operator's page.
_KNOWN: Final = re.compile(
    r"(?<!cu)bot(?![a-z])|bots|crawl|spider|scan|scrape|slurp|archiv"
    r"|preview|prefetch|fetcher|proxy|expander|externalhit|whatsapp"
    r"|monitor|checker|validator|verif|audit|survey|uptime"
    r"|headless|phantom|selenium|playwright|puppeteer|lighthouse"
    r"|synthetic|sentinel|favicon|feed|google-|https?://|@",
    re.ASCII | re.IGNORECASE,
)
_MAXIMUM_AGENT: Final = 1000
#: Seconds after a mail's delivery within which no person can read it, open its link
#: and press the button.
_TOO_QUICK: Final = 10


def is_known(agent: str) -> bool:
    """Return whether a User-Agent names a scanner or a link preview."""
    return _is_known(agent[:_MAXIMUM_AGENT])


# Cached: each line of the ledger has a User-Agent, mostly of the same few browsers.
@lru_cache(maxsize=1024)
def _is_known(agent: str) -> bool:
    return _KNOWN.search(agent) is not None


def is_probable(
    agent: str, *, has_language: bool, mailed: int | None, now: int
) -> bool:
    """Return whether the client that requests a lease is probably a scanner.

    *agent* is the User-Agent.  *has_language* is whether the request has
    Accept-Language, which all browsers send.  *mailed* is when the mail with the link
    was delivered (Unix seconds), or None.
    """
    claims_to_be_a_browser = agent.startswith("Mozilla/")
    is_too_quick = mailed is not None and 0 <= now - mailed < _TOO_QUICK
    return (
        is_known(agent) or (claims_to_be_a_browser and not has_language) or is_too_quick
    )
