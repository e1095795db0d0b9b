"""``POST /api/v1/files``: a program sends a form with one file and a bearer token.

Screenshot tools such as ShareX send such forms.  nginx requests admission before it
reads the body, and spools the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request

from gateway.errors import BadFormError, TooManyFilesError
from gateway.web.api.operations import Content
from gateway.web.api.raw_uploads import created, upload_operation, uploader

if TYPE_CHECKING:
    from flask import Response

    from gateway.web.auth.identity import Identities
    from gateway.web.multipart_uploads import FormUploads

PATH: Final = "/api/v1/files"
_FORM: Final = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}


@dataclass(frozen=True)
class FileForms:
    """The view of the form that a program sends."""

    identities: Identities
    form_uploads: FormUploads

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("file_forms", __name__)
        routes.add_url_rule(PATH, view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Admit a form, or raise the error that refuses it."""
        del method, path
        identity = uploader(self.identities)
        if request.mimetype != "multipart/form-data":
            raise BadFormError("not-multipart")
        self.form_uploads.admit(identity)

    def cut(self, method: str, path: bytes) -> None:
        """Release the reservation of an interrupted form."""
        del method, path
        self.form_uploads.release()

    @upload_operation(
        id="uploadForm",
        body=Content("multipart/form-data", _FORM),
        refusals=[BadFormError, TooManyFilesError],
    )
    def upload(self) -> Response:
        """Upload a form with one file.

        The name of the file's field does not matter; other fields are ignored.
        """
        try:
            # The token may have been revoked while the body was uploading.
            identity = uploader(self.identities)
            upload = self.form_uploads.store_only_file(identity)
        except Exception:
            self.form_uploads.release()
            raise
        return created(upload, identity)
