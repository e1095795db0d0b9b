"""The whole URL surface, on one page; nginx's part is ``gateway/http/families.py``.

| method           | URL                     | pool     | who answers       |
| ---------------- | ----------------------- | -------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD OPTIONS | ``/l/<lease>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD         | ``/files/<id>/<name>``  | verdicts | ``files``         |
| GET HEAD         | ``/healthz``            | verdicts | ``health``        |
| GET HEAD         | ``/readyz``             | app      | ``health``        |
| GET              | ``/api/v1/files``       | app      | ``api``           |
| POST             | ``/api/v1/files``       | app      | ``file_forms``    |
| PUT              | ``/api/v1/files/<name>``| app      | ``uploads``       |
| GET DELETE       | ``/api/v1/files/<id>``  | app      | ``api``           |
| POST             | ``…/files/<id>/links``  | app      | ``links``         |
| GET POST         | ``/api/v1/revocations`` | app      | ``revocations``   |
| DELETE           | ``…/revocations/<s>``   | app      | ``revocations``   |
| OPTIONS POST     | ``/tus/``               | app      | ``tus``           |
| HEAD PATCH DELETE| ``/tus/<id>``           | app      | ``tus``           |
| GET              | ``/``                   | app      | ``pages.files``   |
| POST             | ``/delete``             | app      | ``pages.files``   |
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
    from gateway.web.api.raw_uploads import RawUploads
    from gateway.web.api.tus import TusUploads
    from gateway.web.auth.identity import Identities
    from gateway.web.nginx.begin import Begins
    from gateway.web.nginx.verdicts import Judges
    from gateway.web.owned_drops import Drops
    from gateway.web.owned_shares import Shares
    from gateway.web.pages.drop_link import DropPage
    from gateway.web.pages.files import FilePages
    from gateway.web.pages.login import AccountPages
    from gateway.web.pages.share_link import ShareLink
    from gateway.web.pages.upload_form import UploadForm


@dataclass(frozen=True, kw_only=True)
class Components:
    """The services and views that routes are made of.

    ``base_url`` returns the gateway's public URL; ``answers_verdicts`` tells whether
    the verdicts pool answers.
    """

    judge: SignedURLJudge
    repair: Repair
    judges: Judges
    database: Database
    store: BlobStore
    identities: Identities
    uploads: RawUploads
    tus: TusUploads
    file_pages: FilePages
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


def register(app: Flask, components: Components, pool: Pool | None = None) -> None:
    """Register the routes of *pool* with *app*, or of all pools.

    (!) A verdict worker must not route slow requests: they would keep it busy.
    """
    # A redirect from // to / would leak a signed URL to everything that reads Location
    # headers.  A path with an empty segment is a 404.
    app.url_map.merge_slashes = False
    problems.register(app, components.repair)
    family.register(app)
    app.after_request(_forbid_caching)
    blueprints = {Pool.VERDICTS: _verdicts, Pool.APP: _app}
    for each in Pool if pool is None else (pool,):
        for routes in blueprints[each](components):
            app.register_blueprint(routes)


def _forbid_caching(response: Response) -> Response:
    """Forbid caching of a response whose view has set no Cache-Control."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _verdicts(components: Components) -> Iterator[Blueprint]:
    """Yield the blueprints of the verdicts pool."""
    yield health.liveness()
    yield deliveries.blueprint(components.judges, components.clock)
    yield files.blueprint(
        components.database, components.identities, components.judge.inline
    )


def _app(components: Components) -> Iterator[Blueprint]:
    """Yield the blueprints of the app pool."""
    database, judge = components.database, components.judge
    identities, clock = components.identities, components.clock
    yield health.readiness(
        judge.tree, database, components.store, components.answers_verdicts
    )
    yield FilesAPI(database, identities, components.store).blueprint()
    yield UploadLinks(
        database, identities, judge.ring, components.base_url, clock
    ).blueprint()
    yield RevocationsAPI(database, identities, judge.ring, clock).blueprint()
    yield DropsAPI(components.drops).blueprint()
    yield SharesAPI(components.shares, clock).blueprint()
    yield SharePages(components.shares, clock).blueprint()
    yield components.share_link.blueprint()
    yield components.begins.blueprint()
    yield components.uploads.blueprint()
    yield components.tus.blueprint()
    yield components.file_pages.blueprint()
    file_forms = FileForms(identities, components.form.intake)
    yield file_forms.blueprint()
    yield components.form.blueprint()
    yield components.accounts.blueprint()
    yield SessionPages(database, identities, clock).blueprint()
    yield components.drop_page.blueprint()
    yield DropForms(components.drops).blueprint()
    yield OpenPage(components.repair).blueprint()
    yield problem_types.blueprint()
    yield Admissions(
        {
            families.UPLOADS: components.uploads,
            families.TUS_BODIES: components.tus,
            families.FILE_FORMS: file_forms,
            families.FORM_BODIES: components.form,
            families.DROP_BODIES: components.drop_page,
        }
    ).blueprint()
