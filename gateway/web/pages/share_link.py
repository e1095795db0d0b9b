"""``/d/<code>[/<name>]``: a share link, for people and programs.

The code is all that it takes: no session begins here, and no cookie is set.  GET and
HEAD take nothing of the share, since mail scanners send both; a POST takes a lease.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request

from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Delivery
from gateway.errors import (
    CodeRequiredError,
    CodeUnavailableError,
    NotServableError,
    PasswordRequiredError,
    PostRequiredError,
    RefusedError,
    ShareBusyError,
    ShareSpentError,
    TooManyAttemptsError,
    TooManyCodesError,
    WrongCodeError,
    WrongSharePasswordError,
)
from gateway.http.explanations import explain
from gateway.shares import scanners
from gateway.shares.addresses import shortened
from gateway.shares.codes import LINK_PREFIX, lease_path
from gateway.shares.items import LISTED
from gateway.shares.ledger import SharedFile
from gateway.web import clients
from gateway.web.auth import browsers
from gateway.web.auth.passwords import network
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.pages import page, see_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.delivery.verdict import InlinePolicy
    from gateway.shares.items import Items, ListedFile
    from gateway.shares.opening import Openings, OpenShare

_KEY: Final = re.compile(r"([1-9][0-9]{0,5})/(.+)", re.ASCII)
#: Programs that fetch a link to show what it leads to: they get the page.
_PREVIEWS: Final = re.compile(
    r"Slackbot|SkypeUriPreview|WhatsApp|TelegramBot|Twitterbot|facebookexternalhit|"
    r"LinkedInBot|Discordbot|Mastodon|Google-PageRenderer|redditbot|Iframely|Signal",
    re.ASCII,
)
#: Where browsers say that they fetch a page before anybody asks for it.
_PURPOSES: Final = ("Sec-Purpose", "Purpose", "X-Moz")
#: What a person is told before the form, and the field that is at fault, if one is.
_BEFORE_THE_FORM: Final[dict[type[RefusedError], str]] = {
    CodeRequiredError: "",
    CodeUnavailableError: "",
    PasswordRequiredError: "password",
    ShareBusyError: "",
    ShareSpentError: "",
    TooManyCodesError: "",
    TooManyAttemptsError: "password",
    WrongCodeError: "otp",
    WrongSharePasswordError: "password",
}


@dataclass(frozen=True)
class ShareLink:
    """The page of a share link, and what programs get of it.

    ``base_url`` tells the address that people use.
    """

    openings: Openings
    items: Items
    inline: InlinePolicy
    clock: Callable[[], float]
    base_url: Callable[[], str]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("share_link", __name__)
        for rule in (f"{LINK_PREFIX}<code>", f"{LINK_PREFIX}<code>/<path:name>"):
            routes.add_url_rule(rule, view_func=self.show)
            routes.add_url_rule(rule, view_func=self.take, methods=["POST"])
        return routes

    def show(self, code: str, name: str = "") -> Response:
        """Show the share to a person, send it to a program if nothing speaks against.

        With ``?lease=`` of this link its files can be fetched without a POST.
        """
        del name  # cosmetic
        now = int(self.clock())
        opened = self.openings.open(code, now=now)
        lease = self._lease(opened, now=now)
        if _is_person():
            if _is_looked_at():
                self.openings.note_opened(opened, now=now)
            return self._page(opened, code, lease=lease)
        if lease:
            return self._list(opened, code, lease=lease)
        if opened.has_password:
            raise PasswordRequiredError
        if opened.has_otp:
            raise CodeRequiredError
        if opened.is_counted:
            raise PostRequiredError
        listed = self.items.listed(opened.items)
        key = request.args.get("item") or (listed[0].key if len(listed) == 1 else "")
        return self._send(opened, key) if key else self._list(opened, code, lease="")

    def take(self, code: str, name: str = "") -> Response:
        """Give a lease, and lead on to the one file, or to a page of them all.

        An empty ``otp`` asks for a one-time code.

        (!) No page's token is asked for: the request uses no authority but the code,
            which is in its URL.  A form of another site's gets the page.
        """
        del name
        now = int(self.clock())
        opened = self.openings.open(code, now=now)
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            return self._page(opened, code, lease="")
        try:
            key = self._wanted(opened)
            self.openings.check_password(
                opened, request.form.get("password", ""), network=network(), now=now
            )
            if opened.has_otp and "" in request.form.getlist("otp"):
                return self._mail_code(opened, code, now=now)
            lease = self.openings.lease(
                opened,
                otp="".join(request.form.get("otp", "").split()),
                agent=browsers.name(),
                is_scanner=_is_scanner(self.openings.mailed(opened), now=now),
                now=now,
            )
        except tuple(_BEFORE_THE_FORM) as error:
            if not _is_person():
                raise
            return self._page(opened, code, lease="", fault=error)
        if key is None:
            return see_other(f"{LINK_PREFIX}{code}?lease={lease}")
        number, inner = key
        is_inline = request.form.get("open") == "1"
        return see_other(lease_path(lease, number, inner, is_inline=is_inline))

    def _mail_code(self, opened: OpenShare, code: str, *, now: int) -> Response:
        """Have a one-time code mailed, and show its field; a program is told so."""
        self.openings.mail_code(opened, now=now)
        if not _is_person():
            raise CodeRequiredError(mailed_to=shortened(opened.recipient.address))
        return see_other(f"{LINK_PREFIX}{code}")

    def _wanted(self, opened: OpenShare) -> tuple[int, str] | None:
        """Return number and path of the file that is asked for, None for all of them.

        Raise GoneItemError or NotServableError if it is not there: no lease is taken.
        """
        text = request.form.get("item", "")
        if not text:
            listed = self.items.listed(opened.items)
            if len(listed) != 1:
                return None
            text = listed[0].key
        match = _KEY.fullmatch(text)
        item = match and opened.item(int(match[1]))
        if not match or item is None:
            raise NotServableError("no-item")
        self.items.find(item, match[2])
        # Only a folder has other names in it than its own.
        return item.number, match[2] if item.is_folder else item.name

    def _send(self, opened: OpenShare, key: str) -> Response:
        match = _KEY.fullmatch(key)
        item = match and opened.item(int(match[1]))
        if not match or item is None:
            raise NotServableError("no-item")
        found = self.items.find(item, match[2])
        return EmptyResponse(
            headers=accel_headers(
                Delivery(
                    source=found.source,
                    target=found.target,
                    size=found.size,
                    name=found.name,
                    is_inline=False,
                    max_age=0,
                    rate=None,
                    ledger=SharedFile(
                        share=opened.share.id,
                        recipient=opened.recipient.id,
                        lease="",
                        item=item.number,
                        size=found.size,
                        path=match[2] if item.is_folder else "",
                    ).text,
                )
            )
        )

    def _lease(self, opened: OpenShare, *, now: int) -> str:
        """Return the lease that the query names, if it is this link's and stands."""
        text = request.args.get("lease", "")
        return text if self.openings.has_lease(opened, text, now=now) else ""

    def _list(self, opened: OpenShare, code: str, *, lease: str) -> Response:
        """Return the files as JSON, each with the URL by which a program gets it."""
        base = self.base_url()
        return jsonify(
            {
                "title": opened.share.title,
                "expires": opened.share.expires,
                "items": [
                    {
                        "item": file.key,
                        "name": file.inner,
                        "size": file.size,
                        "type": file.media_type,
                        "url": base
                        + (
                            lease_path(lease, file.number, file.inner)
                            if lease
                            else f"{LINK_PREFIX}{code}?item={quote(file.key, safe='')}"
                        ),
                    }
                    for file in self.items.listed(opened.items)
                ],
            }
        )

    def _page(
        self,
        opened: OpenShare,
        code: str,
        *,
        lease: str,
        fault: RefusedError | None = None,
    ) -> Response:
        if opened.is_spent and not lease:
            # Whatever else is wrong: nothing helps.
            fault = ShareSpentError()
        explanation = explain(fault) if fault else None
        files = self.items.listed(opened.items, most=LISTED + 1)
        response = page(
            "share_link.html",
            status=int(explanation.status) if explanation else 200,
            opened=opened,
            files=[self._row(file, lease) for file in files[:LISTED]],
            is_cut=len(files) > LISTED,
            path=f"{LINK_PREFIX}{code}",
            lease=lease,
            fault=_in_words(fault) if fault else "",
            wrong=_BEFORE_THE_FORM[type(fault)] if fault else "",
            mailed_to=shortened(opened.recipient.address),
            awaits_code=self.openings.awaits_code(opened, now=int(self.clock())),
        )
        if explanation:
            response.headers.update(explanation.headers)
        return response

    def _row(self, file: ListedFile, lease: str) -> dict[str, object]:
        return {
            "key": file.key,
            "name": file.name,
            "size": file.size,
            "type": file.media_type,
            "opens": self.inline.allows(file.media_type),
            "url": lease and lease_path(lease, file.number, file.inner),
            "open_url": lease
            and lease_path(lease, file.number, file.inner, is_inline=True),
        }


def _in_words(fault: RefusedError) -> str:
    """Return what a person is told who stands before the form."""
    if isinstance(fault, PasswordRequiredError):
        return "Enter the password. The sender has it."
    if isinstance(fault, CodeRequiredError):
        return "Enter the code of the last mail, or have one mailed."
    told = explain(fault)
    return f"{told.title}. {told.text}"


def _is_scanner(mailed: int | None, *, now: int) -> bool:
    """Tell whether it is probably a scanner that presses the button.

    *mailed* is when the relay took the mail with the link.
    """
    return scanners.is_probable(
        request.headers.get("User-Agent", ""),
        has_language="Accept-Language" in request.headers,
        mailed=mailed,
        now=now,
    )


def _is_person() -> bool:
    """Tell whether the client names HTML, as browsers do, or shows previews."""
    return clients.names_html() or _is_preview()


def _is_preview() -> bool:
    agent = request.headers.get("User-Agent", "")[:1000]
    return _PREVIEWS.search(agent) is not None


def _is_looked_at() -> bool:
    """Tell whether a page is surely not fetched for somebody who may never see it."""
    purposes = (request.headers.get(name, "") for name in _PURPOSES)
    is_prefetch = any("prefetch" in purpose for purpose in purposes)
    return request.method == "GET" and not is_prefetch and not _is_preview()
