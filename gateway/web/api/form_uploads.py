"""``POST /api/v1/files``: a form with one file and a bearer token, of a program.

Screenshot tools such as ShareX send it.  nginx asks for admission before it reads the
body, and spools it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify, request

from gateway.catalog.tokens import Scope
from gateway.errors import BadFormError
from gateway.web.api.raw_uploads import location, receipt_as_json, upload_as_json

if TYPE_CHECKING:
    from gateway.web.auth.identity import Identities, Identity
    from gateway.web.multipart_uploads import FormUploads

PATH: Final = "/api/v1/files"


@dataclass(frozen=True)
class FileForms:
    """The view of a program's form."""

    identities: Identities
    form_uploads: FormUploads

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("file_forms", __name__)
        routes.add_url_rule(PATH, view_func=self.upload, methods=["POST"])
        return routes

    def admit(self, method: str, path: bytes) -> None:
        """Let a form come, or raise why not."""
        del method, path
        identity = self._uploader()
        if request.mimetype != "multipart/form-data":
            raise BadFormError("not-multipart")
        self.form_uploads.admit(identity)

    def cut(self, method: str, path: bytes) -> None:
        """Give back the room of a form that will never be whole."""
        del method, path
        self.form_uploads.release()

    def upload(self) -> tuple[Response, int, dict[str, str]]:
        """Store the form's file."""
        try:
            # The token may have been revoked while the body was uploading.
            identity = self._uploader()
            upload = self.form_uploads.store_only_file(identity)
        except Exception:
            self.form_uploads.release()
            raise
        if identity.drop is not None:
            return jsonify(receipt_as_json(upload)), 201, {}
        body = upload_as_json(upload, identity.user.name)
        return jsonify(body), 201, {"Location": location(upload)}

    def _uploader(self) -> Identity:
        identity = self.identities.sender()
        identity.require(Scope.UPLOAD)
        return identity
