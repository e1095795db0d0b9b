"""Django with django-sendfile2's nginx backend, without middleware."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.core.wsgi import get_wsgi_application
from django.http import Http404
from django.urls import path
from django_sendfile import sendfile

from bench.nginx import PROTECTED

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

FILES = Path(os.environ["BENCH_FILES"])
LIFE = 86_400

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["BENCH_SECRET"],
    SENDFILE_BACKEND="django_sendfile.backends.nginx",
    SENDFILE_ROOT=str(FILES),
    SENDFILE_URL=PROTECTED.rstrip("/"),
)


def sent(request: HttpRequest, token: str) -> HttpResponse:
    """Have nginx send a file."""
    try:
        name = TimestampSigner().unsign(token, max_age=LIFE)
    except BadSignature:
        raise Http404 from None
    return sendfile(request, FILES / name)


urlpatterns = [path("django/<token>", sent)]
app = get_wsgi_application()
