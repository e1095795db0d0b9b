"""The whole URL surface, on one page.

| method           | URL                     | who answers       |
| ---------------- | ----------------------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>``   | ``signed_urls``   |
| GET HEAD         | ``/files/<id>/<name>``  | ``files``         |
| GET              | ``/api/v1/files``       | ``api``           |
| PUT              | ``/api/v1/files/<name>``| ``uploads``       |
| GET DELETE       | ``/api/v1/files/<id>``  | ``api``           |
| POST             | ``…/files/<id>/links``  | ``links``         |
| GET POST         | ``/api/v1/revocations`` | ``revocations``   |
| DELETE           | ``…/revocations/<s>``   | ``revocations``   |
| GET HEAD         | ``/healthz``            | ``health``        |
| GET HEAD         | ``/readyz``             | ``health``        |
| OPTIONS POST     | ``/tus/``               | ``tus``           |
| HEAD PATCH DELETE| ``/tus/<id>``           | ``tus``           |
| GET              | ``/``                   | ``home``          |
| POST             | ``/delete``             | ``home``          |
| GET POST         | ``/upload``             | ``forms``         |
| GET POST         | ``/login``              | ``accounts``      |
| POST             | ``/logout``             | ``accounts``      |
| GET POST         | ``/password``           | ``accounts``      |
| GET POST         | ``/u/<code>``           | ``drop_page``     |
| GET POST         | ``/drops``              | ``drop_forms``    |
| POST             | ``/drops/revoke``       | ``drop_forms``    |
| GET POST         | ``/api/v1/drops``       | ``drops``         |
| DELETE           | ``/api/v1/drops/<id>``  | ``drops``         |
| GET HEAD         | ``/static/<name>``      | nginx by itself   |
| nginx            | ``/_admit``, ``/_cut``  | ``admission``     |

Everything else is 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.uploads import tus
from gateway.web import drop_page, files, forms, health, refusals, signed_urls, uploads
from gateway.web.admission import Admissions, Door
from gateway.web.api import FilesAPI
from gateway.web.drop_forms import DropForms
from gateway.web.drops import DropsAPI
from gateway.web.links import UploadLinks
from gateway.web.revocations import RevocationsAPI

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from gateway.catalog.database import Database
    from gateway.delivery.verdict import SignedURLJudge
    from gateway.storage.blobs import BlobStore
    from gateway.web.accounts import AccountPages
    from gateway.web.drop_page import DropPage
    from gateway.web.drops import Drops
    from gateway.web.forms import UploadForm
    from gateway.web.home import HomePages
    from gateway.web.identity import Identities
    from gateway.web.tus import TusUploads
    from gateway.web.uploads import RawUploads


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the views are made of; ``base_url`` tells the address that people use."""

    judge: SignedURLJudge
    database: Database
    store: BlobStore
    identities: Identities
    uploads: RawUploads
    tus: TusUploads
    home: HomePages
    form: UploadForm
    drop_page: DropPage
    drops: Drops
    accounts: AccountPages
    base_url: Callable[[], str]
    clock: Callable[[], float]


def register(app: Flask, parts: Parts) -> None:
    """Attach every URL family to *app*."""
    # A redirect from // to / would hand a signed URL to whoever reads
    # Location headers; a path with an empty segment is simply not there.
    app.url_map.merge_slashes = False
    refusals.register(app)
    api = FilesAPI(parts.database, parts.identities, parts.store)

    app.add_url_rule(
        "/s/<token>/<path:path>",
        view_func=signed_urls.view(parts.judge, parts.clock),
        methods=["GET"],
    )
    app.add_url_rule(
        "/files/<upload_id>/<path:name>",
        view_func=files.view(parts.database, parts.identities, parts.judge.inline),
    )
    app.add_url_rule("/api/v1/files", view_func=api.listing)
    app.add_url_rule("/api/v1/files/<upload_id>", view_func=api.one)
    app.add_url_rule(
        "/api/v1/files/<upload_id>", view_func=api.delete, methods=["DELETE"]
    )
    app.add_url_rule(
        "/api/v1/files/<path:name>", view_func=parts.uploads.put, methods=["PUT"]
    )
    _register_links(app, parts)
    _register_tus(app, parts.tus)
    admissions = Admissions(
        {
            uploads.PREFIX: Door(parts.uploads.admit, parts.uploads.cut),
            tus.PREFIX: Door(parts.tus.admit, parts.tus.cut),
            forms.PATH: Door(parts.form.admit, parts.form.cut, is_for_people=True),
            drop_page.PREFIX: Door(
                parts.drop_page.admit, parts.drop_page.cut, is_for_people=True
            ),
        }
    )
    app.add_url_rule("/_admit", view_func=admissions.admit)
    app.add_url_rule(
        "/_cut", view_func=admissions.cut, methods=["GET", "PUT", "POST", "PATCH"]
    )
    _register_pages(app, parts)
    _register_drops(app, parts)
    app.add_url_rule("/healthz", view_func=health.healthz)
    app.add_url_rule(
        "/readyz",
        view_func=health.readyz(parts.judge.tree, parts.database, parts.store),
    )


def _register_tus(app: Flask, views: TusUploads) -> None:
    for rule in ("/tus/", "/tus/<partial_id>"):
        app.add_url_rule(
            rule,
            view_func=views.options,
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )
    app.add_url_rule("/tus/", view_func=views.create, methods=["POST"])
    for method, view in {
        "HEAD": views.look,
        "PATCH": views.append,
        "DELETE": views.terminate,
    }.items():
        app.add_url_rule(
            "/tus/<partial_id>",
            endpoint=f"tus_{method}",
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )


def _register_pages(app: Flask, parts: Parts) -> None:
    home, form, accounts = parts.home, parts.form, parts.accounts
    app.add_url_rule("/", view_func=home.home)
    app.add_url_rule(
        "/delete", endpoint="delete_upload", view_func=home.delete, methods=["POST"]
    )
    app.add_url_rule("/upload", view_func=form.show)
    app.add_url_rule("/upload", view_func=form.upload, methods=["POST"])
    app.add_url_rule("/login", view_func=accounts.login)
    app.add_url_rule("/login", view_func=accounts.log_in, methods=["POST"])
    app.add_url_rule("/logout", view_func=accounts.log_out, methods=["POST"])
    app.add_url_rule("/password", view_func=accounts.password)
    app.add_url_rule("/password", view_func=accounts.change_password, methods=["POST"])


def _register_links(app: Flask, parts: Parts) -> None:
    links = UploadLinks(
        parts.database, parts.identities, parts.judge.ring, parts.base_url, parts.clock
    )
    app.add_url_rule(
        "/api/v1/files/<upload_id>/links",
        "links",
        links.make,
        methods=["POST"],
    )
    taken_back = RevocationsAPI(
        parts.database, parts.identities, parts.judge.ring, parts.clock
    )
    url = "/api/v1/revocations"
    app.add_url_rule(url, "revocations", taken_back.listing)
    app.add_url_rule(url, "revoke", taken_back.make, methods=["POST"])
    app.add_url_rule(
        f"{url}/<path:subject>", "undo", taken_back.undo, methods=["DELETE"]
    )


def _register_drops(app: Flask, parts: Parts) -> None:
    api, forms_ = DropsAPI(parts.drops), DropForms(parts.drops)
    rule = f"{drop_page.PREFIX}<code>"
    app.add_url_rule(rule, endpoint="drop", view_func=parts.drop_page.show)
    app.add_url_rule(
        rule,
        endpoint="drop_upload",
        view_func=parts.drop_page.upload,
        methods=["POST"],
    )
    for rule, endpoint, view, method in (
        ("/drops", "drops", forms_.show, "GET"),
        ("/drops", "make_drop", forms_.make, "POST"),
        ("/drops/revoke", "end_drop", forms_.end, "POST"),
        ("/api/v1/drops", "api_drops", api.listing, "GET"),
        ("/api/v1/drops", "api_make_drop", api.make, "POST"),
        ("/api/v1/drops/<drop_id>", "api_end_drop", api.end, "DELETE"),
    ):
        app.add_url_rule(rule, endpoint=endpoint, view_func=view, methods=[method])
