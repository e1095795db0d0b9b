"""The page about a form whose files were not all stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.web.pages import page

if TYPE_CHECKING:
    from flask import Response

    from gateway.web.multipart_uploads import FormResult


def upload_result(outcome: FormResult, *, back_url: str, back_label: str) -> Response:
    """Return the page, with status and headers of the first refusal."""
    _, first = outcome.refused[0]
    response = page(
        "upload_result.html",
        status=int(first.status),
        refusals=outcome.refused,
        stored=[upload.name for upload in outcome.stored],
        back_url=back_url,
        back_label=back_label,
    )
    response.headers.update(first.headers)
    return response
