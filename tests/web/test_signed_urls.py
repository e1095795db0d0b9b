"""What Flask tells nginx about a signed URL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.web.conftest import Site


def test_a_delivery_is_an_empty_body_and_a_place_for_nginx(site: Site) -> None:
    answer = site.client.get(site.sign("a.txt"))
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == "/_shown_files/a.txt"
    assert answer.headers["Content-Disposition"] == 'inline; filename="a.txt"'


def test_the_type_is_left_to_nginx(site: Site) -> None:
    assert "Content-Type" not in site.client.get(site.sign("a.txt")).headers


def test_the_place_is_encoded_once(site: Site) -> None:
    (site.files / "100%25 ?#+.txt").touch()
    answer = site.client.get(site.sign("100%25 ?#+.txt"))
    assert (
        answer.headers["X-Accel-Redirect"] == "/_shown_files/100%2525%20%3F%23%2B.txt"
    )


def test_the_cap_bounds_what_a_client_may_keep(site: Site) -> None:
    # The verdict may be a second old when the file is sent.
    long = site.client.get(site.sign("a.txt"))
    short = site.client.get(site.sign("a.txt", expires=timedelta(seconds=59)))
    assert long.headers["Cache-Control"] == "private, max-age=600"
    assert short.headers["Cache-Control"] == "private, max-age=58"


def test_an_operator_can_opt_a_type_in(site: Site) -> None:
    (site.files / "i.svg").touch()
    (site.files / "i.html").touch()
    shown = site.client.get(site.sign("i.svg")).headers["Content-Disposition"]
    saved = site.client.get(site.sign("i.html")).headers["Content-Disposition"]
    assert (shown.split(";")[0], saved.split(";")[0]) == ("inline", "attachment")


def test_a_link_is_good_until_the_second_of_its_expiry(site: Site) -> None:
    url = site.sign("a.txt", expires=timedelta(seconds=10))
    site.now += 9.9
    last = site.client.get(url).status_code
    site.now += 0.1
    over = site.client.get(url).status_code
    assert (last, over) == (200, 410)


def test_a_refusal_carries_its_reason_for_the_log_alone(site: Site) -> None:
    answer = site.client.get("/s/rubbish/a.txt", headers={"X-Request-ID": "abc"})
    assert answer.headers["X-Gateway-Reason"] == "malformed"
    assert "malformed" not in answer.text
    assert "abc" in answer.text


def test_two_slashes_are_no_redirect(site: Site) -> None:
    url = site.sign("a.txt")
    answer = site.client.get(url.replace("/a.txt", "//a.txt"))
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_options_name_the_methods(site: Site) -> None:
    answer = site.client.options(site.sign("a.txt"))
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_bug_is_a_plain_page_without_a_traceback(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("inner detail")

    monkeypatch.setattr("gateway.storage.tree.FilesTree.locate", fail)
    site.client.application.config["PROPAGATE_EXCEPTIONS"] = False
    answer = site.client.get(site.sign("a.txt"))
    assert answer.status_code == 500
    assert "inner detail" not in answer.text
    assert "went wrong" in answer.text
