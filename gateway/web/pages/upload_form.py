"""``/upload``: the form of a person's own page, for browsers without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash

from gateway.catalog.tokens import Scope
from gateway.web.auth import csrf
from gateway.web.pages import page, see_other

if TYPE_CHECKING:
    from flask import Response

    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import FormUploads

HOME: Final = "/"
PATH: Final = "/upload"


@dataclass(frozen=True)
class UploadForm:
    """The views of the form's upload."""

    identities: Identities
    form_uploads: FormUploads

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("upload_form", __name__)
        routes.add_url_rule(PATH, view_func=self.show)
        routes.add_url_rule(PATH, view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Let a form come, or raise why not."""
        del method, path
        self.form_uploads.admit(self._uploader())

    def cut(self, method: str, path: bytes) -> None:
        """Give back the room of a form that will never be whole."""
        del method, path
        self.form_uploads.release()

    def upload(self) -> Response:
        """Store the form's files."""
        # The form's first field is the token, not a header's.
        outcome = self.form_uploads.store_files(
            self._uploader, csrf.FIELD, csrf.check_text
        )
        if outcome.refused:
            return page(
                "partly.html",
                status=int(outcome.refused[0][1].status),
                refusals=outcome.refused,
                stored=[upload.name for upload in outcome.stored],
                back=HOME,
                back_to="Your files",
            )
        flash(
            f"{outcome.stored[0].name} is stored."
            if len(outcome.stored) == 1
            else f"{len(outcome.stored)} files are stored."
        )
        return see_other(HOME)

    def show(self) -> Response:
        """Lead somebody who reloads to the form."""
        return see_other(HOME)

    def _uploader(self) -> Identity:
        identity = self.identities.person()
        identity.require(Scope.UPLOAD)
        return identity
