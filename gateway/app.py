"""The Flask application: wiring only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask

from gateway.delivery.verdict import SignedURLJudge
from gateway.errors import SettingsError
from gateway.ops.assets import asset
from gateway.storage.media_types import MediaTypes
from gateway.storage.tree import FilesTree
from gateway.web import routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.settings import Settings


def create_app(settings: Settings, *, clock: Callable[[], float] = time.time) -> Flask:
    """Build the application; *clock* tells Unix seconds.

    Raise SettingsError when the settings lack keys or files.
    """
    if settings.keys is None or settings.files is None:
        raise SettingsError(["GATEWAY_KEYS and GATEWAY_FILES must be set"])
    app = Flask(__name__, static_folder=None, template_folder="web/templates")
    tree = FilesTree(settings.files)
    judge = SignedURLJudge(
        ring=settings.keys,
        tree=tree,
        types=MediaTypes.read(asset("nginx/snippets/media_types.conf")),
        cache_cap=settings.cache_max_age,
        inline_types=frozenset(settings.inline_types),
    )
    routes.register(app, judge=judge, tree=tree, clock=clock)
    return app
