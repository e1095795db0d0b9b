"""All routes; ``gateway/http/families.py`` has nginx's part of them.

| method           | URL                     | pool     | blueprint         |
| ---------------- | ----------------------- | -------- | ----------------- |
| GET HEAD OPTIONS | ``/s/<token>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD OPTIONS | ``/l/<lease>/<path>``   | verdicts | ``deliveries``    |
| GET HEAD OPTIONS | ``/p/<path>``           | verdicts | ``deliveries``    |
| GET HEAD         | ``/files/<id>/<name>``  | verdicts | ``files``         |
| GET HEAD         | ``/healthz``            | verdicts | ``health``        |
| GET HEAD         | ``/readyz``             | app      | ``health``        |
| GET HEAD         | ``/metrics``            | app      | ``metrics``       |
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
| nginx            | ``/_commit``            | app      | ``uploads``       |
| nginx            | ``/_begin``             | app      | ``begin``         |
| nginx            | ``/_metrics``           | app      | ``metrics``       |
| GET HEAD         | ``/static/<name>``      |          | none: nginx       |

Both pools answer 404 to everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.http import families
from gateway.http.pools import Pool
from gateway.web import deliveries, files, health, log_records, problems
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
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.web.api.raw_uploads import RawUploads
    from gateway.web.api.tus import TusUploads
    from gateway.web.auth.identity import Identities
    from gateway.web.metrics import Metrics
    from gateway.web.nginx.begin import DownloadStarts
    from gateway.web.nginx.verdicts import Judges
    from gateway.web.observation import Observer
    from gateway.web.owned_drops import Drops
    from gateway.web.owned_shares import Shares
    from gateway.web.pages.drop_link import DropPage
    from gateway.web.pages.files import FilePages
    from gateway.web.pages.login import AccountPages
    from gateway.web.pages.share_link import ShareLink
    from gateway.web.pages.upload_form import UploadForm


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """The objects that the views need.

    ``base_url`` returns the gateway's public URL, ``answers_verdicts`` whether the
    verdicts pool answers.
    """

    judge: SignedURLJudge
    repair: Repair
    judges: Judges
    database: Database
    store: BlobStore
    blobs: Blobs
    identities: Identities
    uploads: RawUploads
    tus: TusUploads
    file_pages: FilePages
    form: UploadForm
    drop_page: DropPage
    drops: Drops
    shares: Shares
    share_link: ShareLink
    download_starts: DownloadStarts
    accounts: AccountPages
    base_url: Callable[[], str]
    clock: Callable[[], float]
    answers_verdicts: Callable[[], bool]
    observer: Observer
    metrics: Metrics


def register(app: Flask, dependencies: Dependencies, pool: Pool | None = None) -> None:
    """Attach the routes of *pool* to *app*, or all routes without a pool.

    (!) Never attach other routes to the verdicts pool: clients could keep its workers
        busy with them.
    """
    # A redirect from // to / would expose a signed URL to every reader of Location
    # headers; a path with an empty segment gets 404.
    app.url_map.merge_slashes = False
    dependencies.observer.register(app)
    log_records.register(app)
    problems.register(app, dependencies.repair)
    family.register(app)
    app.after_request(_forbid_caching)
    blueprints = {Pool.VERDICTS: _verdicts, Pool.APP: _app}
    for each in Pool if pool is None else (pool,):
        for routes in blueprints[each](dependencies):
            app.register_blueprint(routes)


def _forbid_caching(response: Response) -> Response:
    """Set ``Cache-Control: no-store``, unless the view has set another value."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _verdicts(dependencies: Dependencies) -> Iterator[Blueprint]:
    """Yield the verdicts pool's blueprints: only families of that pool."""
    yield health.liveness()
    yield deliveries.blueprint(dependencies.judges, dependencies.clock)
    yield files.blueprint(
        dependencies.database,
        dependencies.identities,
        dependencies.judge.inline,
        dependencies.judge.blob_content,
    )


def _app(dependencies: Dependencies) -> Iterator[Blueprint]:
    """Yield the app pool's blueprints: only families of that pool."""
    database, identities, clock = (
        dependencies.database,
        dependencies.identities,
        dependencies.clock,
    )
    judge = dependencies.judge
    yield health.readiness(
        judge.files,
        database,
        dependencies.store,
        dependencies.blobs,
        dependencies.answers_verdicts,
    )
    yield dependencies.metrics.blueprint()
    yield Description(dependencies.base_url).blueprint()
    yield FilesAPI(database, identities, dependencies.blobs).blueprint()
    yield UploadLinks(
        database, identities, judge.ring, dependencies.base_url, clock
    ).blueprint()
    yield RevocationsAPI(database, identities, judge.ring, clock).blueprint()
    yield DropsAPI(dependencies.drops).blueprint()
    yield SharesAPI(dependencies.shares, clock).blueprint()
    yield SharePages(dependencies.shares, clock).blueprint()
    yield dependencies.share_link.blueprint()
    yield dependencies.download_starts.blueprint()
    yield dependencies.uploads.blueprint()
    yield dependencies.tus.blueprint()
    yield dependencies.file_pages.blueprint()
    file_forms = FileForms(identities, dependencies.form.form_uploads)
    yield file_forms.blueprint()
    yield dependencies.form.blueprint()
    yield dependencies.accounts.blueprint()
    yield SessionPages(database, identities, clock).blueprint()
    yield dependencies.drop_page.blueprint()
    yield DropForms(dependencies.drops).blueprint()
    yield OpenPage(dependencies.repair).blueprint()
    yield problem_types.blueprint()
    yield Admissions(
        {
            families.UPLOADS: dependencies.uploads,
            families.TUS_BODIES: dependencies.tus,
            families.FILE_FORMS: file_forms,
            families.FORM_BODIES: dependencies.form,
            families.DROP_BODIES: dependencies.drop_page,
        }
    ).blueprint()
