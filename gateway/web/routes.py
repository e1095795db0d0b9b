"""The whole URL surface, on one page; nginx's part is ``gateway/families.py``.

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

from gateway import families
from gateway.web import family, files, health, refusals, signed_urls
from gateway.web.admission import Admissions
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
    """Attach every route to *app*."""
    # A redirect from // to / would hand a signed URL to whoever reads
    # Location headers; a path with an empty segment is simply not there.
    app.url_map.merge_slashes = False
    refusals.register(app)
    family.register(app)
    database, identities, clock = parts.database, parts.identities, parts.clock
    judge = parts.judge
    admissions = Admissions(
        {
            families.UPLOADS: parts.uploads,
            families.TUS_BODIES: parts.tus,
            families.FORM_BODIES: parts.form,
            families.DROP_BODIES: parts.drop_page,
        }
    )
    for routes in (
        health.blueprint(judge.tree, database, parts.store),
        signed_urls.blueprint(judge, clock),
        files.blueprint(database, identities, judge.inline),
        FilesAPI(database, identities, parts.store).blueprint(),
        UploadLinks(
            database, identities, judge.ring, parts.base_url, clock
        ).blueprint(),
        RevocationsAPI(database, identities, judge.ring, clock).blueprint(),
        DropsAPI(parts.drops).blueprint(),
        parts.uploads.blueprint(),
        parts.tus.blueprint(),
        parts.home.blueprint(),
        parts.form.blueprint(),
        parts.accounts.blueprint(),
        parts.drop_page.blueprint(),
        DropForms(parts.drops).blueprint(),
        admissions.blueprint(),
    ):
        app.register_blueprint(routes)
