"""``/d/<code>[/<name>]``: a share link, for people and programs.

The code alone authorizes: no session is started and no cookie is set.  GET and HEAD
count no download, because mail scanners send both; a POST takes a lease.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request, url_for

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
from gateway.web import clients, observation
from gateway.web.auth import browsers
from gateway.web.auth.passwords import network
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.pages import page, see_other
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.delivery.verdict import InlinePolicy
    from gateway.shares.items import Items, ListedFile
    from gateway.shares.opening import Openings, OpenShare

_KEY: Final = re.compile(r"([1-9][0-9]{0,5})/(.+)", re.ASCII)
#: User agents of programs that fetch a link to show a preview; they get the page.
_PREVIEWS: Final = re.compile(
    r"Slackbot|SkypeUriPreview|WhatsApp|TelegramBot|Twitterbot|facebookexternalhit|"
    r"LinkedInBot|Discordbot|Mastodon|Google-PageRenderer|redditbot|Iframely|Signal",
    re.ASCII,
)
#: Headers in which browsers announce that they prefetch a page.
_PURPOSE_HEADERS: Final = ("Sec-Purpose", "Purpose", "X-Moz")
#: Errors that are shown above the form, with the field that they concern, if any.
_FORM_ERRORS: Final[dict[type[RefusedError], str]] = {
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
    """The page of a share link, and its responses to programs.

    ``base_url`` returns the public URL of the gateway.
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
        """Show the share to a person; send its file to a program, if it is open to all.

        With ``?lease=`` of this link, the files can be downloaded without a POST.
        """
        del name  # cosmetic
        now = int(self.clock())
        opened = self.openings.open(code, now=now)
        lease = self._lease(opened, now=now)
        if _is_person():
            if _is_viewed():
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
        """Take a lease and redirect to the only file, or to a page with all files.

        An empty ``otp`` requests a one-time code.

        (!) There is no CSRF token, because the request is authorized only by the code
            in its URL.  A form on another site gets the page, and no lease.
        """
        del name
        now = int(self.clock())
        opened = self.openings.open(code, now=now)
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            return self._page(opened, code, lease="")
        try:
            key = self._requested_file(opened)
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
        except tuple(_FORM_ERRORS) as error:
            if not _is_person():
                raise
            return self._page(opened, code, lease="", fault=error)
        if key is None:
            return see_other(url_for("share_link.show", code=code, lease=lease))
        number, inner = key
        is_inline = request.form.get("open") == "1"
        # Not url_for: the verdicts pool has the route of leased files.
        path = lease_path(lease, number, inner, is_inline=is_inline)
        return see_other(prefixed(path))

    def _mail_code(self, opened: OpenShare, code: str, *, now: int) -> Response:
        """Send a one-time code by mail and redirect to the form that asks for it.

        A program gets CodeRequiredError.
        """
        self.openings.mail_code(opened, now=now)
        if not _is_person():
            raise CodeRequiredError(mailed_to=shortened(opened.recipient.address))
        return see_other(url_for("share_link.show", code=code))

    def _requested_file(self, opened: OpenShare) -> tuple[int, str] | None:
        """Return the number and path of the requested file, or None for all files.

        Raise GoneItemError or NotServableError if the file is missing, before a lease
        is taken.
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
        self.items.size(item, match[2])
        # If the item is a file, the only valid path is its name.
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
                    content=found.content,
                    name=found.name,
                    is_inline=False,
                    max_age=0,
                    rate=None,
                    ledger=SharedFile(
                        share=opened.share.id,
                        recipient=opened.recipient.id,
                        lease="",
                        item=item.number,
                        size=found.content.size,
                        path=match[2] if item.is_folder else "",
                    ).text,
                )
            )
        )

    def _lease(self, opened: OpenShare, *, now: int) -> str:
        """Return the query's lease; ``""`` if it is invalid or of another link."""
        text = request.args.get("lease", "")
        return text if self.openings.has_lease(opened, text, now=now) else ""

    def _list(self, opened: OpenShare, code: str, *, lease: str) -> Response:
        """Return the files as JSON, each with its download URL for programs."""
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
            # Show this error instead of any other: no input can change it.
            fault = ShareSpentError()
        explanation = explain(fault) if fault else None
        files = self.items.listed(opened.items, most=LISTED + 1)
        response = page(
            "share_link.html",
            status=int(explanation.status) if explanation else 200,
            opened=opened,
            files=[self._row(file, lease) for file in files[:LISTED]],
            is_cut=len(files) > LISTED,
            code=code,
            lease=lease,
            fault=_message(fault) if fault else "",
            invalid_field=_FORM_ERRORS[type(fault)] if fault else "",
            mailed_to=shortened(opened.recipient.address),
            awaits_code=self.openings.awaits_code(opened, now=int(self.clock())),
        )
        if explanation:
            observation.note_refusal(explanation)
            response.headers.update(explanation.headers)
        return response

    def _row(self, file: ListedFile, lease: str) -> dict[str, object]:
        return {
            "key": file.key,
            "name": file.name,
            "size": file.size,
            "type": file.media_type,
            "opens": self.inline.allows(file.media_type),
            "url": lease and prefixed(lease_path(lease, file.number, file.inner)),
            "open_url": lease
            and prefixed(
                lease_path(lease, file.number, file.inner, is_inline=True),
            ),
        }


def _message(fault: RefusedError) -> str:
    """Return the error message above the form."""
    if isinstance(fault, PasswordRequiredError):
        return "Enter the password. Ask the sender if you do not have it."
    if isinstance(fault, CodeRequiredError):
        return "Enter the code from the last email, or request a new code."
    explanation = explain(fault)
    return f"{explanation.title}. {explanation.text}"


def _is_scanner(mailed: int | None, *, now: int) -> bool:
    """Tell whether the request is probably a mail scanner's.

    *mailed* is the Unix time when the relay accepted the mail with the link.
    """
    return scanners.is_probable(
        request.headers.get("User-Agent", ""),
        has_language="Accept-Language" in request.headers,
        mailed=mailed,
        now=now,
    )


def _is_person() -> bool:
    """Tell whether the client accepts HTML, as browsers do, or shows previews."""
    return clients.names_html() or _is_preview()


def _is_preview() -> bool:
    agent = request.headers.get("User-Agent", "")[:1000]
    return _PREVIEWS.search(agent) is not None


def _is_viewed() -> bool:
    """Tell whether a person views the page: neither a prefetch nor a preview."""
    purposes = (request.headers.get(name, "") for name in _PURPOSE_HEADERS)
    is_prefetch = any("prefetch" in purpose for purpose in purposes)
    return request.method == "GET" and not is_prefetch and not _is_preview()
