"""Flask: an empty view, ``X-Accel-Redirect``, ``send_file``, and a generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, send_file
from itsdangerous import BadSignature, URLSafeTimedSerializer

from bench.nginx import PROTECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(os.environ["BENCH_FILES"])
TOKENS = URLSafeTimedSerializer(os.environ["BENCH_SECRET"])
LIFE = 86_400
CHUNK = 8192

app = Flask(__name__)


@app.get("/flask/bare")
def bare() -> str:
    """Send an empty answer."""
    return ""


@app.get("/flask/accel/<token>")
def accelerated(token: str) -> tuple[str, dict[str, str]]:
    """Have nginx send a file: the smallest view that does."""
    return "", {"X-Accel-Redirect": f"{PROTECTED}{_name(token)}"}


@app.get("/flask/send_file/<token>")
def sent(token: str) -> Response:
    """Send a file as in Flask's documentation."""
    return send_file(FILES / _name(token))


@app.get("/flask/stream/<token>")
def streamed(token: str) -> Response:
    """Send a file in chunks, as in tutorials "for large files"."""
    path = FILES / _name(token)

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    return Response(chunks(), mimetype="application/octet-stream")


def _name(token: str) -> str:
    try:
        name: str = TOKENS.loads(token, max_age=LIFE)
    except BadSignature:
        abort(404)
    return name
