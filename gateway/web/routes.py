"""The whole URL surface, on one page.

| method           | URL                   | who answers       |
| ---------------- | --------------------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>`` | ``signed_urls``   |
| GET HEAD         | ``/healthz``          | ``health``        |
| GET HEAD         | ``/readyz``           | ``health``        |

Everything else is 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.web import health, refusals, signed_urls

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from gateway.delivery.verdict import SignedURLJudge
    from gateway.storage.tree import FilesTree


def register(
    app: Flask, *, judge: SignedURLJudge, tree: FilesTree, clock: Callable[[], float]
) -> None:
    """Attach every URL family to *app*."""
    # A redirect from // to / would hand a signed URL to whoever reads
    # Location headers; a path with an empty segment is simply not there.
    app.url_map.merge_slashes = False
    refusals.register(app)

    app.add_url_rule(
        "/s/<token>/<path:path>",
        view_func=signed_urls.view(judge, clock),
        methods=["GET"],
    )
    app.add_url_rule("/healthz", view_func=health.healthz)
    app.add_url_rule("/readyz", view_func=health.readyz(tree))
