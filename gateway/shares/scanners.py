"""Whether a download was probably a scanner's: a label, never a permission or a count.

Programs that look into mails for their readers call themselves browsers: what follows
finds those that do not, and some that are too quick.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: What crawlers, link previews, checkers and remote-controlled browsers have in their
#: names, and no browser of a person does.  An address is their operator's page.
_KNOWN: Final = re.compile(
    r"(?<!cu)bot(?![a-z])|bots|crawl|spider|scan|scrape|slurp|archiv"
    r"|preview|prefetch|fetcher|proxy|expander|externalhit|whatsapp"
    r"|monitor|checker|validator|verif|audit|survey|uptime"
    r"|headless|phantom|selenium|playwright|puppeteer|lighthouse"
    r"|synthetic|sentinel|favicon|feed|google-|https?://|@",
    re.ASCII | re.IGNORECASE,
)
_MOST: Final = 1000
#: Seconds after a mail's delivery in which nobody reads it, opens its link, and
#: presses the button.
_TOO_QUICK: Final = 10


def is_known(agent: str) -> bool:
    """Tell whether a User-Agent is one of a scanner's or preview's."""
    return _is_known(agent[:_MOST])


# Most are the same few browsers, and the ledger has one in each line.
@lru_cache(maxsize=1024)
def _is_known(agent: str) -> bool:
    return _KNOWN.search(agent) is not None


def is_probable(
    agent: str, *, has_language: bool, mailed: int | None, now: int
) -> bool:
    """Tell whether who takes a lease is probably a scanner.

    *agent* is the User-Agent; each browser says a language (Accept-Language); *mailed*
    is when the mail with the link was delivered, None if there was none.
    """
    claims_to_be_a_browser = agent.startswith("Mozilla/")
    is_too_quick = mailed is not None and 0 <= now - mailed < _TOO_QUICK
    return (
        is_known(agent) or (claims_to_be_a_browser and not has_language) or is_too_quick
    )
