"""What takes a link back: the subjects that a request for it comes under."""

from __future__ import annotations

import pytest

from gateway.delivery.subjects import of_request
from gateway.links.claims import Claims
from gateway.links.signed_url import SignedURL
from gateway.storage.blobs import new_id

UPLOAD = new_id()
ANY = {"url:mac", "key:k", "path:"}


@pytest.mark.parametrize(
    ("claims", "path", "subjects"),
    [
        pytest.param({}, "c.txt", {"path:c.txt"}, id="file"),
        pytest.param(
            {}, "a/b/c.txt", {"path:a", "path:a/b", "path:a/b/c.txt"}, id="deep file"
        ),
        pytest.param(
            {"depth": 1}, "a/b/c.txt", {"path:a", "path:a/b", "path:a/b/c.txt"},
            id="folder",
        ),
        pytest.param(
            {"depth": 0}, "a/c.txt", {"path:a", "path:a/c.txt"}, id="whole tree"
        ),
        pytest.param({"upload": UPLOAD}, "c.txt", {f"upload:{UPLOAD}"}, id="upload"),
    ],
)  # fmt: skip
def test_a_link_ends_with_any_of_its_subjects(
    claims: dict[str, object], path: str, subjects: set[str]
) -> None:
    made = Claims(key_id="k", issued=1, expires=None, **claims)  # type: ignore[arg-type]
    assert set(of_request(SignedURL(made, "mac"), path)) == ANY | subjects
