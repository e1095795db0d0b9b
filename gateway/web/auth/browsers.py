"""Recognize browsers that have logged in to an account before, and name browsers.

Such a browser has a signed cookie.  Its login attempts are counted separately, so that
other clients that guess passwords can't slow it down.
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
_VALUE: Final = re.compile(
    r"([0-9]{1,12}\.[A-Za-z0-9_-]{22})\.([0-9a-z]{24})", re.ASCII
)
#: The maximum age of a cookie in browsers, in seconds (RFC 6265bis, section 5.5).
_MAX_AGE: Final = 400 * 86_400

#: The browser, by a text in User-Agent.  The first match is used.
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
    """Recognizes browsers that have logged in before; ``path`` is the cookie's path."""

    secret: ServerSecret
    is_secure: bool
    path: str = "/"

    def of_request(self, user: User | None) -> str | None:
        """Return the id of the request's browser if *user* has logged in with it."""
        match = _VALUE.fullmatch(request.cookies.get(self._cookie, ""))
        if match is None or user is None:
            return None
        payload, mac = match.groups()
        if not self.secret.verifies(Use.BROWSER, payload, mac, older=False):
            return None
        user_id, _, browser = payload.partition(".")
        return browser if user_id == str(user.id) else None

    def remember(self, response: Response, user: User) -> None:
        """Add the cookie to *response* that lets *user*'s browser be recognized."""
        browser = self.of_request(user) or secrets.token_urlsafe(16)
        payload = f"{user.id}.{browser}"
        response.set_cookie(
            self._cookie,
            f"{payload}.{self.secret.mac(Use.BROWSER, payload)}",
            max_age=_MAX_AGE,
            path=self.path,
            secure=self.is_secure,
            httponly=True,
            samesite="Lax",
        )

    @property
    def _cookie(self) -> str:
        return cookie_name(_COOKIE, is_secure=self.is_secure, path=self.path)


def name() -> str:
    """Return the name of the request's browser, such as ``Firefox on Linux``."""
    agent = request.headers.get("User-Agent", "")
    program = next((name for text, name in _PROGRAMS.items() if text in agent), "")
    system = next((name for text, name in _SYSTEMS.items() if text in agent), "")
    return " on ".join(filter(None, (program or "Another program", system)))
