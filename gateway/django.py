"""``send``: a Django view sends a file, and the site's nginx does the work.

>>> # settings.py: GATEWAY_FILES = "/srv/files"
>>> def report(request, name):
...     return send(f"reports/{name}")

``docs/views.md`` describes nginx's part, and ``docs/migrating.md`` the way from
``FileResponse`` and django-sendfile2.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse

from gateway.delivery.views import ViewFiles
from gateway.errors import NotServableError, SettingsError

__all__ = ["send"]


def send(
    path: str,
    *,
    name: str | None = None,
    as_attachment: bool = False,
    max_age: int = 0,
    rate: int | None = None,
) -> HttpResponse | StreamingHttpResponse:
    """Return the answer of a view that sends the file at *path*.

    *path* may be untrusted: it is relative to ``settings.GATEWAY_FILES``, and for
    whatever names no file below that folder Http404 is raised.  Check first that this
    person may read this file.

    Browsers save the file as *name*, by default the path's last segment, and may cache
    it for *max_age* seconds.  They show it only if its type can't run script, and not
    with *as_attachment*.  *rate* limits nginx to that many bytes per second.

    ``settings.GATEWAY_NGINX`` says whether nginx sends the file; by default it does
    unless ``settings.DEBUG`` is true.  Otherwise Django sends it with the same headers,
    but without ranges.  Raise ImproperlyConfigured if the settings are wrong.
    """
    try:
        files = ViewFiles.configured(
            lambda name: getattr(settings, name, None), is_debug=settings.DEBUG
        )
        file = files.find(
            path, name=name, as_attachment=as_attachment, max_age=max_age, rate=rate
        )
    except SettingsError as error:
        raise ImproperlyConfigured(str(error)) from error
    except NotServableError:
        raise Http404 from None
    if files.by_nginx:
        response, headers = HttpResponse(), file.nginx_headers()
        # nginx sets the type: it would send this one instead.
        del response["Content-Type"]
    elif file.on_disk is None:
        response, headers = StreamingHttpResponse(files.read(path)), file.headers()
    else:
        response, headers = FileResponse(file.on_disk.path.open("rb")), file.headers()
    # nginx ignores the validators, but ConditionalGetMiddleware would compare the
    # client's with those of an empty answer.
    validators = file.on_disk.validators() if file.on_disk else {}
    for header, value in {**headers, **validators}.items():
        response[header] = value
    return response
