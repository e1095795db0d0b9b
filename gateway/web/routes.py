"""The whole URL surface, on one page.

| method           | URL                     | pool     | who answers       |
| ---------------- | ----------------------- | -------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>``   | verdicts | ``signed_urls``   |
| GET HEAD         | ``/files/<id>/<name>``  | verdicts | ``files``         |
| GET HEAD         | ``/healthz``            | both     | ``health``        |
| GET HEAD         | ``/readyz``             | app      | ``health``        |
| GET              | ``/api/v1/files``       | app      | ``api``           |
| PUT              | ``/api/v1/files/<name>``| app      | ``uploads``       |
| GET DELETE       | ``/api/v1/files/<id>``  | app      | ``api``           |
| POST             | ``…/files/<id>/links``  | app      | ``links``         |
| GET POST         | ``/api/v1/revocations`` | app      | ``revocations``   |
| DELETE           | ``…/revocations/<s>``   | app      | ``revocations``   |
| OPTIONS POST     | ``/tus/``               | app      | ``tus``           |
| HEAD PATCH DELETE| ``/tus/<id>``           | app      | ``tus``           |
| GET              | ``/``                   | app      | ``home``          |
| POST             | ``/delete``             | app      | ``home``          |
| GET POST         | ``/upload``             | app      | ``forms``         |
| GET POST         | ``/login``              | app      | ``accounts``      |
| POST             | ``/logout``             | app      | ``accounts``      |
| GET POST         | ``/password``           | app      | ``accounts``      |
| GET POST         | ``/u/<code>``           | app      | ``drop_page``     |
| GET POST         | ``/drops``              | app      | ``drop_forms``    |
| POST             | ``/drops/revoke``       | app      | ``drop_forms``    |
| GET POST         | ``/api/v1/drops``       | app      | ``drops``         |
| DELETE           | ``/api/v1/drops/<id>``  | app      | ``drops``         |
| nginx            | ``/_admit``, ``/_cut``  | app      | ``admission``     |
| GET HEAD         | ``/static/<name>``      |          | nginx by itself   |

Everything else is 404, of either pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.pools import Pool
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
    """What the views are made of.

    ``base_url`` tells the address that people use, ``answers_verdicts`` whether the
    verdicts' pool does.
    """

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
    answers_verdicts: Callable[[], bool]


def register(app: Flask, parts: Parts, pool: Pool | None = None) -> None:
    """Attach the URL families of *pool* to *app*, or all of them.

    (!) What a verdict worker does not route it can't be kept busy with.
    """
    # A redirect from // to / would hand a signed URL to whoever reads
    # Location headers; a path with an empty segment is simply not there.
    app.url_map.merge_slashes = False
    refusals.register(app)
    app.add_url_rule("/healthz", view_func=health.healthz)
    if pool is not Pool.APP:
        _register_deliveries(app, parts)
    if pool is not Pool.VERDICTS:
        _register_api(app, parts)
        _register_uploads(app, parts)
        _register_pages(app, parts)
        _register_drops(app, parts)
        app.add_url_rule(
            "/readyz",
            view_func=health.readyz(
                parts.judge.tree, parts.database, parts.store, parts.answers_verdicts
            ),
        )


def _register_deliveries(app: Flask, parts: Parts) -> None:
    app.add_url_rule(
        "/s/<token>/<path:path>",
        view_func=signed_urls.view(parts.judge, parts.clock),
        methods=["GET"],
    )
    app.add_url_rule(
        "/files/<upload_id>/<path:name>",
        view_func=files.view(parts.database, parts.identities, parts.judge.inline),
    )


def _register_api(app: Flask, parts: Parts) -> None:
    api = FilesAPI(parts.database, parts.identities, parts.store)
    app.add_url_rule("/api/v1/files", view_func=api.listing)
    app.add_url_rule("/api/v1/files/<upload_id>", view_func=api.one)
    app.add_url_rule(
        "/api/v1/files/<upload_id>", view_func=api.delete, methods=["DELETE"]
    )
    app.add_url_rule(
        "/api/v1/files/<path:name>", view_func=parts.uploads.put, methods=["PUT"]
    )
    _register_links(app, parts)


def _register_uploads(app: Flask, parts: Parts) -> None:
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
