"""A Flask site."""

from __future__ import annotations

import os

from flask import Flask, Response, request

from gateway.flask import send

app = Flask(__name__)
app.config.update(
    GATEWAY_FILES=os.environ["GATEWAY_FILES"],
    GATEWAY_NGINX=os.environ["GATEWAY_NGINX"] == "1",
    **{k: v for k, v in os.environ.items() if k.startswith("GATEWAY_BUCKET_")},
)


@app.get("/send/<path:path>")
def sent(path: str) -> Response:
    return send(
        path,
        name=request.args.get("name"),
        as_attachment="attachment" in request.args,
        max_age=request.args.get("max_age", 0, int),
        rate=request.args.get("rate", None, int),
    )


@app.get("/named")
def named() -> Response:
    return Response(headers={"X-Accel-Redirect": request.args["location"]})


@app.errorhandler(404)
def missing(_error: object) -> tuple[str, int]:
    return "the site's own page", 404
