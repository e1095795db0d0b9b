"""``/u/<code>``: a drop link, where someone without an account uploads.

The code is all that it takes: no session begins here, and no cookie is set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request

from gateway.catalog.drops import State
from gateway.errors import DropOverError, ForgedFormError
from gateway.uploads.drop_codes import PREFIX
from gateway.web.pages import drop_policy, page, see_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import FormUploads

#: The form's first field says that it was this page that was sent.
FIELD: Final = "code"
_STORED: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True)
class DropPage:
    """The page of a drop link, and its form; *upload_size* in bytes, 0 is no limit."""

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
        """Let a form come, or raise why not."""
        del method
        code = path.decode("latin-1").removeprefix(PREFIX)
        self.form_uploads.admit(self.identities.by_drop_link(code))

    def cut(self, method: str, path: bytes) -> None:
        """Give back the room of a form that will never be whole."""
        del method, path
        self.form_uploads.release()

    def show(self, code: str) -> Response:
        """Show what is taken, and the form; ``?stored=`` files have just come."""
        identity = self.identities.by_drop_link(code)
        drop = identity.drop
        assert drop is not None  # noqa: S101 -- that is how they came
        stored = _stored()
        is_open = drop.state(now=int(self.clock())) is State.OPEN
        if not is_open and not stored:
            raise DropOverError(drop.id)
        return page(
            "drop.html",
            code=code,
            title=drop.title,
            maker=identity.user.name,
            expires=drop.expires,
            is_open=is_open,
            stored=stored,
            takes=drop_policy.in_words(drop),
            size=drop_policy.size(drop, self.upload_size),
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
        back = f"{PREFIX}{code}?stored={stored}"
        if outcome.refused:
            return page(
                "partly.html",
                status=int(outcome.refused[0][1].status),
                refusals=outcome.refused,
                stored=[upload.name for upload in outcome.stored],
                back=back,
                back_to="Back",
            )
        return see_other(back)


def _stored() -> int:
    text = request.args.get("stored", "")
    return int(text) if _STORED.fullmatch(text) else 0
