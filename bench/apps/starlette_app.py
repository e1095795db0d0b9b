"""Starlette's FileResponse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

FILES = Path(os.environ["BENCH_FILES"])
TOKENS = URLSafeTimedSerializer(os.environ["BENCH_SECRET"])
LIFE = 86_400


async def sent(request: Request) -> FileResponse:
    """Send a file."""
    try:
        name = TOKENS.loads(request.path_params["token"], max_age=LIFE)
    except BadSignature:
        raise HTTPException(404) from None
    return FileResponse(FILES / name)


app = Starlette(routes=[Route("/starlette/{token}", sent)])
