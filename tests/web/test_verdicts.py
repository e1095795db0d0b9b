"""What Flask's process tells nginx that asks beside a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gateway.delivery.verdict import SignedURLJudge
from gateway.errors import CatalogBusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.web.conftest import Site

#: As nginx asks; the value is the request's id.
ASKED: Final = {"X-Verdict": "0123456789abcdef"}


def test_a_verdict_names_the_file_for_nginx_to_keep(site: Site) -> None:
    answer = site.client.get(site.sign("a.txt"), headers=ASKED)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["X-Accel-Target"] == "/_shown_files/a.txt/"
    assert "X-Accel-Redirect" not in answer.headers


def test_a_refusal_is_carried_with_the_id_of_the_request(site: Site) -> None:
    answer = site.client.get("/s/forged/a.txt", headers=ASKED)
    assert answer.status_code == 403
    assert answer.headers["X-Refusal-Status"] == "404"
    assert ASKED["X-Verdict"] in answer.headers["X-Refusal-Body"]


def only_once(error: Exception) -> Callable[..., object]:
    """Return a judgement that fails the first time, and then is the real one."""
    real = SignedURLJudge.judge
    left = [error]

    def judge(*arguments: object, **named: object) -> object:
        if left:
            raise left.pop()
        return real(*arguments, **named)  # type: ignore[arg-type]

    return judge


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(CatalogBusyError("locked"), "503", id="busy"),
        pytest.param(RuntimeError("a fault"), "500", id="fault"),
    ],
)
def test_what_was_judged_is_not_judged_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str
) -> None:
    """A second judgement may be another one, in a form that nginx did not ask for."""
    monkeypatch.setattr(SignedURLJudge, "judge", only_once(error))
    answer = site.client.get(site.sign("a.txt"), headers=ASKED)
    assert answer.status_code == 403
    assert answer.headers["X-Refusal-Status"] == status
