"""``/u/<code>``: the page of a drop link, for uploads without an account.

The code alone authorizes: no session is started and no cookie is set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request, url_for

from gateway.catalog.drops import State
from gateway.errors import DropOverError, ForgedFormError
from gateway.uploads.drop_codes import PREFIX
from gateway.web.pages import drop_policy, page, see_other
from gateway.web.pages.upload_result import upload_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import FormUploads

#: The form's first field; it contains the code, as proof that this page sent the form.
FIELD: Final = "code"
_STORED: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True)
class DropPage:
    """The page of a drop link.

    *upload_size* is the maximum size of a file in bytes, 0 for no limit.
    """

    identities: Identities
    form_uploads: FormUploads
    upload_size: int
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("drop_page", __name__)
        routes.add_url_rule(f"{PREFIX}<code>", view_func=self.show)
        routes.add_url_rule(f"{PREFIX}<code>", view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Admit the body of a form, or raise the error that refuses it."""
        del method
        code = path.decode("latin-1").removeprefix(PREFIX)
        self.form_uploads.admit(self.identities.by_drop_link(code))

    def cut(self, method: str, path: bytes) -> None:
        """Release the reservation of an interrupted form."""
        del method, path
        self.form_uploads.release()

    def show(self, code: str) -> Response:
        """Show the limits and the form; ``?stored=`` is the number of new files."""
        identity = self.identities.by_drop_link(code)
        drop = identity.drop
        assert drop is not None  # noqa: S101 -- by_drop_link sets it
        stored = _stored()
        is_open = drop.state(now=int(self.clock())) is State.OPEN
        if not is_open and not stored:
            raise DropOverError(drop.id)
        return page(
            "drop_link.html",
            code=code,
            title=drop.title,
            owner=identity.user.name,
            expires=drop.expires,
            is_open=is_open,
            stored=stored,
            limits=drop_policy.sentences(drop),
            size=drop_policy.maximum_size(drop, self.upload_size),
            types=",".join(drop.types),
            left=drop.left,
        )

    def upload(self, code: str) -> Response:
        """Store the form's files."""

        def sender() -> Identity:
            return self.identities.by_drop_link(code)

        def check(text: str) -> None:
            if text != code:
                raise ForgedFormError

        outcome = self.form_uploads.store_files(sender, FIELD, check)
        stored = len(outcome.stored)
        back_url = url_for("drop_page.show", code=code, stored=stored)
        if outcome.refused:
            return upload_result(outcome, back_url=back_url, back_label="Back")
        return see_other(back_url)


def _stored() -> int:
    text = request.args.get("stored", "")
    return int(text) if _STORED.fullmatch(text) else 0
