"""``gateway.flask.send`` in a Flask application, with and without nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response

from gateway.errors import SettingsError
from gateway.flask import send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., FlaskClient]:
    """Return what makes a site with one file, and with the configuration given."""
    (tmp_path / "a.txt").write_bytes(b"hello\n")

    def make(**config: Any) -> FlaskClient:
        app = Flask("site")
        app.config.update({"GATEWAY_FILES": tmp_path, "PROPAGATE_EXCEPTIONS": True})
        app.config.update(config)

        @app.get("/<path:path>")
        def sent(path: str) -> Response:
            return send(path, name="b.txt", max_age=60)

        return app.test_client()

    return make


def test_nginx_gets_an_empty_answer_without_a_type(
    site: Callable[..., FlaskClient],
) -> None:
    """A type from here would replace the one that nginx finds."""
    answer = site().get("/a.txt")
    assert (answer.status_code, answer.data) == (200, b"")
    assert dict(answer.headers) == {
        "Content-Length": "0",
        "X-Accel-Redirect": "/_shown_files/a.txt",
        "Content-Disposition": 'inline; filename="b.txt"',
        "Cache-Control": "private, max-age=60",
    }


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"GATEWAY_NGINX": False}, id="as configured"),
        pytest.param({"DEBUG": True}, id="in debug mode"),
        pytest.param(
            {"GATEWAY_NGINX": False, "USE_X_SENDFILE": True}, id="with X-Sendfile"
        ),
    ],
)
def test_without_nginx_flask_sends_the_file(
    site: Callable[..., FlaskClient], config: dict[str, bool]
) -> None:
    with site(**config).get("/a.txt") as answer:
        assert (answer.status_code, answer.data) == (200, b"hello\n")
        assert answer.headers["Content-Disposition"] == 'inline; filename="b.txt"'
        assert answer.headers["Cache-Control"] == "private, max-age=60"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not {"X-Accel-Redirect", "X-Sendfile"} & set(answer.headers.keys())


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        pytest.param({"Range": "bytes=1-2"}, 206, b"el", id="range"),
        pytest.param({"If-None-Match": "{ETag}"}, 304, b"", id="by ETag"),
        pytest.param({"If-Modified-Since": "{Last-Modified}"}, 304, b"", id="by date"),
    ],
)
def test_without_nginx_flask_answers_ranges_and_conditions(
    site: Callable[..., FlaskClient],
    header: dict[str, str],
    status: int,
    content: bytes,
) -> None:
    client = site(GATEWAY_NGINX=False)
    with client.get("/a.txt") as first:
        known = {k: v.format(**dict(first.headers)) for k, v in header.items()}
    with client.get("/a.txt", headers=known) as answer:
        assert (answer.status_code, answer.data) == (status, content)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("by_nginx", [True, False], ids=["nginx", "flask"])
def test_what_may_not_be_sent_is_the_applications_own_404(
    site: Callable[..., FlaskClient], *, by_nginx: bool
) -> None:
    client = site(GATEWAY_NGINX=by_nginx)
    client.application.register_error_handler(404, lambda _: ("own page", 404))
    answer = client.get("/missing.txt")
    assert (answer.status_code, answer.text) == (404, "own page")


def test_a_wrong_setting_is_an_error_that_names_it(
    site: Callable[..., FlaskClient],
) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_FILES: is not set"):
        site(GATEWAY_FILES=None).get("/a.txt")


def test_the_answer_is_of_the_applications_class(tmp_path: Path) -> None:
    class Own(Response):
        """A class of the application's own."""

    (tmp_path / "a.txt").write_bytes(b"hello\n")
    app = Flask("site")
    app.response_class = Own
    app.config["GATEWAY_FILES"] = tmp_path
    for by_nginx in (True, False):
        app.config["GATEWAY_NGINX"] = by_nginx
        with app.test_request_context():
            answer = send("a.txt")
            answer.close()
            assert type(answer) is Own
