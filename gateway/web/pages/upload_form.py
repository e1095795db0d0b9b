"""``/upload``: the upload form of the files page, for browsers without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, url_for

from gateway.catalog.tokens import Scope
from gateway.web.auth import csrf
from gateway.web.pages import see_other
from gateway.web.pages.upload_result import upload_result

if TYPE_CHECKING:
    from flask import Response

    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import FormUploads

PATH: Final = "/upload"


@dataclass(frozen=True)
class UploadForm:
    """The views of the upload form."""

    identities: Identities
    form_uploads: FormUploads

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("upload_form", __name__)
        routes.add_url_rule(PATH, view_func=self.show)
        routes.add_url_rule(PATH, view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Admit the body of a form, or raise the error that refuses it."""
        del method, path
        self.form_uploads.admit(self._uploader())

    def cut(self, method: str, path: bytes) -> None:
        """Release the reservation of an interrupted form."""
        del method, path
        self.form_uploads.release()

    def upload(self) -> Response:
        """Store the form's files."""
        # The form's first field is the token, not a header's.
        outcome = self.form_uploads.store_files(
            self._uploader, csrf.FIELD, csrf.check_text
        )
        if outcome.refused:
            return upload_result(
                outcome,
                back_url=url_for("file_pages.listing"),
                back_label="Your files",
            )
        flash(
            f"{outcome.stored[0].name} was uploaded."
            if len(outcome.stored) == 1
            else f"{len(outcome.stored)} files were uploaded."
        )
        return see_other(url_for("file_pages.listing"))

    def show(self) -> Response:
        """Redirect to the files page, for a browser that reloads the result."""
        return see_other(url_for("file_pages.listing"))

    def _uploader(self) -> Identity:
        identity = self.identities.person()
        identity.require(Scope.UPLOAD)
        return identity
