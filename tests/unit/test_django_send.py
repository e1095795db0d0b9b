"""``gateway.django.send`` in Django views, with and without nginx."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404
from django.middleware.http import ConditionalGetMiddleware
from django.test import RequestFactory
from django.test.utils import override_settings

from gateway.django import send
from tests.unit import django_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

assert django_project


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "a.txt").write_bytes(b"hello\n")
    with override_settings(GATEWAY_FILES=tmp_path, DEBUG=False):
        yield tmp_path


def test_nginx_gets_an_empty_answer_without_a_type() -> None:
    """A type from here would replace the one that nginx finds."""
    answer = send("a.txt", name="b.txt", max_age=60)
    assert (answer.status_code, answer.content) == (200, b"")
    headers = dict(answer.headers)
    assert headers.keys() - {"ETag", "Last-Modified"} == {
        "X-Accel-Redirect",
        "Content-Disposition",
        "Cache-Control",
    }
    assert headers["X-Accel-Redirect"] == "/_shown_files/a.txt"
    assert headers["Content-Disposition"] == 'inline; filename="b.txt"'
    assert headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param({"GATEWAY_NGINX": False}, id="as configured"),
        pytest.param({"DEBUG": True}, id="in debug mode"),
    ],
)
def test_without_nginx_django_sends_the_file(chosen: dict[str, bool]) -> None:
    with override_settings(**chosen), closing(send("a.txt", name="b.txt")) as answer:
        assert answer.getvalue() == b"hello\n"
    assert answer["Content-Length"] == "6"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'inline; filename="b.txt"'
    assert answer["Cache-Control"] == "private, max-age=0"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "X-Accel-Redirect" not in answer


@pytest.mark.parametrize("by_nginx", [True, False], ids=["nginx", "django"])
def test_what_may_not_be_sent_is_djangos_404(*, by_nginx: bool) -> None:
    """It says no more: a site's page may show the message of a 404."""
    with override_settings(GATEWAY_NGINX=by_nginx), pytest.raises(Http404) as raised:
        send("../a.txt")
    assert str(raised.value) == ""


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        pytest.param({"GATEWAY_FILES": None}, "GATEWAY_FILES: is not set", id="none"),
        pytest.param({"GATEWAY_NGINX": "no"}, "GATEWAY_NGINX: must be", id="text"),
        pytest.param({"GATEWAY_FILES": "/none"}, "is not a folder", id="no folder"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(
    chosen: dict[str, object], fault: str
) -> None:
    with override_settings(**chosen), pytest.raises(ImproperlyConfigured, match=fault):
        send("a.txt")


@pytest.mark.parametrize("by_nginx", [True, False], ids=["nginx", "django"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("HTTP_IF_NONE_MATCH", 304, id="unchanged"),
        pytest.param("HTTP_IF_MATCH", 200, id="still the same"),
    ],
)
def test_middleware_compares_what_a_client_knows_with_the_file(
    header: str, status: int, *, by_nginx: bool
) -> None:
    """And not with an empty answer."""
    with (
        override_settings(GATEWAY_NGINX=by_nginx),
        closing(send("a.txt")) as sent,
    ):
        request = RequestFactory().get("/", **{header: sent["ETag"]})
        answer = ConditionalGetMiddleware(lambda _: sent)(request)
        assert answer.status_code == status
