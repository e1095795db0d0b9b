"""``send``: a Flask view sends a file, and the site's nginx does the work.

>>> app.config["GATEWAY_FILES"] = "/srv/files"
>>> @app.get("/reports/<name>")
... def report(name):
...     return send(f"reports/{name}")

``docs/views.md`` describes nginx's part, and ``docs/migrating.md`` the way from
``send_file``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import abort, current_app, request
from werkzeug.utils import send_file

from gateway.delivery.views import ViewFiles
from gateway.errors import NotServableError

if TYPE_CHECKING:
    from flask import Response

__all__ = ["send"]


def send(
    path: str,
    *,
    name: str | None = None,
    as_attachment: bool = False,
    max_age: int = 0,
    rate: int | None = None,
) -> Response:
    """Return the answer of a view that sends the file at *path*.

    *path* may be untrusted: it is relative to ``app.config["GATEWAY_FILES"]``, and
    whatever names no file below that folder gets the application's own 404.  Check
    first that this person may read this file.

    Browsers save the file as *name*, by default the path's last segment, and may cache
    it for *max_age* seconds.  They show it only if its type can't run script, and not
    with *as_attachment*.  *rate* limits nginx to that many bytes per second.

    ``app.config["GATEWAY_NGINX"]`` says whether nginx sends the file; by default it
    does unless the application is in debug mode.  Otherwise Flask sends it with the
    same headers.  Raise SettingsError if the configuration is wrong.
    """
    files = ViewFiles.configured(current_app.config.get, is_debug=current_app.debug)
    try:
        file = files.find(
            path, name=name, as_attachment=as_attachment, max_age=max_age, rate=rate
        )
    except NotServableError:
        abort(404)
    if files.by_nginx:
        response = current_app.response_class()
        # nginx sets the type: it would send this one instead.
        del response.headers["Content-Type"]
        response.headers.update(file.nginx_headers())
        return response
    if file.on_disk is None:
        return current_app.response_class(files.read(path), headers=file.headers())
    # Not Flask's: with USE_X_SENDFILE its answer would be empty.
    sent = send_file(
        file.on_disk.path,
        request.environ,
        mimetype=file.content_type,
        etag=file.on_disk.etag,
        last_modified=file.on_disk.modified,
        response_class=current_app.response_class,
    )
    sent.headers.update(file.headers())
    return cast("Response", sent)
