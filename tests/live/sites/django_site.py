"""A Django site, with the middleware of a new project and for conditional requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseNotFound
from django.urls import path

from gateway.django import send

if TYPE_CHECKING:
    from django.http import HttpRequest

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="no secret of anybody",
    GATEWAY_FILES=os.environ["GATEWAY_FILES"],
    GATEWAY_NGINX=os.environ["GATEWAY_NGINX"] == "1",
    **{k: v for k, v in os.environ.items() if k.startswith("GATEWAY_BUCKET_")},
)


def sent(request: HttpRequest, path: str) -> HttpResponse:
    rate = request.GET.get("rate")
    return send(
        path,
        name=request.GET.get("name"),
        as_attachment="attachment" in request.GET,
        max_age=int(request.GET.get("max_age", 0)),
        rate=rate and int(rate),
    )


def named(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"X-Accel-Redirect": request.GET["location"]})


def handler404(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 -- Django passes it by name
    return HttpResponseNotFound("the site's own page")


urlpatterns = [path("send/<path:path>", sent), path("named", named)]
app = get_wsgi_application()
