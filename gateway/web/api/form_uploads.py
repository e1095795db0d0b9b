"""``POST /api/v1/files``: a program sends a form with one file and a bearer token.

Screenshot tools such as ShareX send it.  nginx asks for admission before it reads the
body, and spools it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request

from gateway.catalog.tokens import Scope
from gateway.errors import BadFormError, TooManyFilesError
from gateway.web.api.operations import Content
from gateway.web.api.raw_uploads import created, upload_operation

if TYPE_CHECKING:
    from flask import Response

    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import Intake

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
    intake: Intake

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("file_forms", __name__)
        routes.add_url_rule(PATH, view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Admit a form, or raise why it is refused."""
        del method, path
        identity = self._uploader()
        if request.mimetype != "multipart/form-data":
            raise BadFormError("not-multipart")
        self.intake.admit(identity)

    def cut(self, method: str, path: bytes) -> None:
        """Release the room reserved for a form that was cut off."""
        del method, path
        self.intake.give_back()

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
            identity = self._uploader()
            upload = self.intake.take_one(identity)
        except Exception:
            self.intake.give_back()
            raise
        return created(upload, identity)

    def _uploader(self) -> Identity:
        identity = self.identities.sender()
        identity.require(Scope.UPLOAD)
        return identity
