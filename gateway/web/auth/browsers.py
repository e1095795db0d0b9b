"""Browsers: whether one has logged in to an account before, and what it is called.

A browser that has logged in keeps a signed cookie that says so.  Its tries of a
password have a count of their own: strangers who guess can't slow it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import request

from gateway.links.server_secret import Use
from gateway.web.auth.sessions import cookie_name

if TYPE_CHECKING:
    from flask import Response

    from gateway.catalog.users import User
    from gateway.links.server_secret import ServerSecret

_COOKIE: Final = "gateway-browser"
_TEXT: Final = re.compile(r"([0-9]{1,12}\.[A-Za-z0-9_-]{22})\.([0-9a-z]{24})", re.ASCII)
#: Seconds that browsers keep a cookie at most (RFC 6265bis, section 5.5).
_LIFE: Final = 400 * 86_400

#: What a User-Agent has, and the browser that it is; the first that is there counts.
_PROGRAMS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS: Final = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class KnownBrowsers:
    """Knows again the browsers that have logged in before."""

    secret: ServerSecret
    is_secure: bool

    def of_request(self, user: User | None) -> str | None:
        """Return the id of the request's browser if *user* has logged in with it."""
        match = _TEXT.fullmatch(request.cookies.get(self._cookie, ""))
        if match is None or user is None:
            return None
        said, mac = match.groups()
        if not self.secret.verifies(Use.BROWSER, said, mac, older=False):
            return None
        user_id, _, browser = said.partition(".")
        return browser if user_id == str(user.id) else None

    def remember(self, answer: Response, user: User) -> None:
        """Have the browser that gets *answer* known again, when *user* logs in."""
        browser = self.of_request(user) or secrets.token_urlsafe(16)
        said = f"{user.id}.{browser}"
        answer.set_cookie(
            self._cookie,
            f"{said}.{self.secret.mac(Use.BROWSER, said)}",
            max_age=_LIFE,
            secure=self.is_secure,
            httponly=True,
            samesite="Lax",
        )

    @property
    def _cookie(self) -> str:
        return cookie_name(_COOKIE, is_secure=self.is_secure)


def name() -> str:
    """Return what the request's browser is called, as in ``Firefox on Linux``."""
    agent = request.headers.get("User-Agent", "")
    program = next((name for text, name in _PROGRAMS.items() if text in agent), "")
    system = next((name for text, name in _SYSTEMS.items() if text in agent), "")
    return " on ".join(filter(None, (program or "Another program", system)))
