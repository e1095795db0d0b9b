"""The whole URL surface, on one page; nginx's part is ``gateway/http/families.py``.

| method           | URL                     | pool     | who answers       |
| ---------------- | ----------------------- | -------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD OPTIONS | ``/l/<lease>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD         | ``/files/<id>/<name>``  | verdicts | ``files``         |
| GET HEAD         | ``/healthz``            | verdicts | ``health``        |
| GET HEAD         | ``/readyz``             | app      | ``health``        |
| GET              | ``…/openapi.json``      | app      | ``openapi``       |
| GET              | ``/api/v1/files``       | app      | ``api``           |
| POST             | ``/api/v1/files``       | app      | ``file_forms``    |
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
| GET              | ``/sessions``           | app      | ``session_pages`` |
| POST             | ``/sessions/end``       | app      | ``session_pages`` |
| GET POST         | ``/u/<code>``           | app      | ``drop_page``     |
| GET POST         | ``/drops``              | app      | ``drop_forms``    |
| POST             | ``/drops/revoke``       | app      | ``drop_forms``    |
| GET POST         | ``/api/v1/drops``       | app      | ``drops``         |
| DELETE           | ``/api/v1/drops/<id>``  | app      | ``drops``         |
| GET POST         | ``/open``               | app      | ``open_page``     |
| GET              | ``/problems/<name>``    | app      | ``pages.problems``|
| GET POST         | ``/d/<code>[/<name>]``  | app      | ``share_link``    |
| GET POST         | ``/shares``             | app      | ``pages.shares``  |
| GET POST         | ``/shares/<id>``        | app      | ``pages.shares``  |
| GET POST         | ``/api/v1/shares``      | app      | ``api.shares``    |
| GET PATCH DELETE | ``/api/v1/shares/<id>`` | app      | ``api.shares``    |
| nginx            | ``/_admit``, ``/_cut``  | app      | ``admission``     |
| nginx            | ``/_begin``             | app      | ``begin``         |
| GET HEAD         | ``/static/<name>``      |          | nginx by itself   |

Everything else is 404, of either pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.http import families
from gateway.http.pools import Pool
from gateway.web import deliveries, files, health, problems
from gateway.web.api.drops import DropsAPI
from gateway.web.api.files import FilesAPI
from gateway.web.api.form_uploads import FileForms
from gateway.web.api.links import UploadLinks
from gateway.web.api.openapi import Description
from gateway.web.api.revocations import RevocationsAPI
from gateway.web.api.shares import SharesAPI
from gateway.web.nginx import family
from gateway.web.nginx.admission import Admissions
from gateway.web.pages import problem_types
from gateway.web.pages.drops import DropForms
from gateway.web.pages.open import OpenPage
from gateway.web.pages.sessions import SessionPages
from gateway.web.pages.shares import SharePages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Blueprint, Flask, Response

    from gateway.catalog.database import Database
    from gateway.delivery.verdict import SignedURLJudge
    from gateway.links.repair import Repair
    from gateway.storage.blobs import BlobStore
    from gateway.web.api.drops import Drops
    from gateway.web.api.raw_uploads import RawUploads
    from gateway.web.api.tus import TusUploads
    from gateway.web.auth.identity import Identities
    from gateway.web.nginx.begin import Begins
    from gateway.web.nginx.verdicts import Judges
    from gateway.web.owned_shares import Shares
    from gateway.web.pages.drop_link import DropPage
    from gateway.web.pages.home import HomePages
    from gateway.web.pages.login import AccountPages
    from gateway.web.pages.share_link import ShareLink
    from gateway.web.pages.upload_form import UploadForm


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the views are made of.

    ``base_url`` tells the address that people use, ``answers_verdicts`` whether the
    verdicts' pool does.
    """

    judge: SignedURLJudge
    repair: Repair
    judges: Judges
    database: Database
    store: BlobStore
    identities: Identities
    uploads: RawUploads
    tus: TusUploads
    home: HomePages
    form: UploadForm
    drop_page: DropPage
    drops: Drops
    shares: Shares
    share_link: ShareLink
    begins: Begins
    accounts: AccountPages
    base_url: Callable[[], str]
    clock: Callable[[], float]
    answers_verdicts: Callable[[], bool]


def register(app: Flask, parts: Parts, pool: Pool | None = None) -> None:
    """Attach the routes of *pool* to *app*, or all of them.

    (!) What a verdict worker does not route it can't be kept busy with.
    """
    # A redirect from // to / would show a signed URL to all that reads
    # Location headers; a path with an empty segment is simply not there.
    app.url_map.merge_slashes = False
    problems.register(app, parts.repair)
    family.register(app)
    app.after_request(_kept_by_nobody)
    blueprints = {Pool.VERDICTS: _verdicts, Pool.APP: _app}
    for each in Pool if pool is None else (pool,):
        for routes in blueprints[each](parts):
            app.register_blueprint(routes)


def _kept_by_nobody(response: Response) -> Response:
    """Forbid every cache to keep an answer whose view has not said otherwise."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _verdicts(parts: Parts) -> Iterator[Blueprint]:
    """Yield what the verdicts' pool routes: families of that pool alone."""
    yield health.liveness()
    yield deliveries.blueprint(parts.judges, parts.clock)
    yield files.blueprint(parts.database, parts.identities, parts.judge.inline)


def _app(parts: Parts) -> Iterator[Blueprint]:
    """Yield what the app pool routes: families of that pool alone."""
    database, identities, clock = parts.database, parts.identities, parts.clock
    judge = parts.judge
    yield health.readiness(judge.tree, database, parts.store, parts.answers_verdicts)
    yield Description(parts.base_url).blueprint()
    yield FilesAPI(database, identities, parts.store).blueprint()
    yield UploadLinks(
        database, identities, judge.ring, parts.base_url, clock
    ).blueprint()
    yield RevocationsAPI(database, identities, judge.ring, clock).blueprint()
    yield DropsAPI(parts.drops).blueprint()
    yield SharesAPI(parts.shares, clock).blueprint()
    yield SharePages(parts.shares, clock).blueprint()
    yield parts.share_link.blueprint()
    yield parts.begins.blueprint()
    yield parts.uploads.blueprint()
    yield parts.tus.blueprint()
    yield parts.home.blueprint()
    file_forms = FileForms(identities, parts.form.intake)
    yield file_forms.blueprint()
    yield parts.form.blueprint()
    yield parts.accounts.blueprint()
    yield SessionPages(database, identities, clock).blueprint()
    yield parts.drop_page.blueprint()
    yield DropForms(parts.drops).blueprint()
    yield OpenPage(parts.repair).blueprint()
    yield problem_types.blueprint()
    yield Admissions(
        {
            families.UPLOADS: parts.uploads,
            families.TUS_BODIES: parts.tus,
            families.FILE_FORMS: file_forms,
            families.FORM_BODIES: parts.form,
            families.DROP_BODIES: parts.drop_page,
        }
    ).blueprint()
