"""Builds the Flask application; wiring only."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask

from gateway.catalog.database import Database
from gateway.catalog.leases import LeasedItems
from gateway.catalog.verdict_queries import Borrower, Reader
from gateway.config.address import recorded_url
from gateway.config.assets import asset
from gateway.config.brand import Brand
from gateway.config.gateway_id import replica_name
from gateway.delivery.authorized import PREFIX as AUTHORIZED_PREFIX
from gateway.delivery.authorized import AuthorizedJudge
from gateway.delivery.revocation_check import RevocationCheck
from gateway.delivery.served_files import served_files
from gateway.delivery.verdict import InlinePolicy, SignedURLJudge
from gateway.errors import SettingsError
from gateway.http import families
from gateway.http.pools import Pool
from gateway.links.repair import Repair
from gateway.links.signed_url import PREFIX as SIGNED_PREFIX
from gateway.metrics import verdicts
from gateway.metrics.counters import RequestCounters
from gateway.metrics.exposition import Exposition
from gateway.metrics.verdicts import VerdictCounts
from gateway.runtime import counting
from gateway.runtime.probe import probe
from gateway.shares.changes import ShareChanges
from gateway.shares.codes import LEASE_PREFIX, ShareCodes
from gateway.shares.description import Descriptions
from gateway.shares.items import Items
from gateway.shares.leased import LeaseJudge
from gateway.shares.opening import Openings
from gateway.storage.blobs import BlobStore
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.media_types import MediaTypes
from gateway.storage.session_files import SessionFiles
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.drop_codes import DropCodes
from gateway.uploads.finalise import Finaliser
from gateway.uploads.finalise_slots import FinaliseSlots
from gateway.uploads.resumable.chunks import Chunks
from gateway.uploads.resumable.concatenation import Concatenation
from gateway.uploads.resumable.sessions import UploadSessions
from gateway.uploads.stored_blobs import stored_blobs
from gateway.web import pages, routes
from gateway.web.api.raw_uploads import RawUploads
from gateway.web.api.tus import TusUploads
from gateway.web.auth import csrf, sessions
from gateway.web.auth.browsers import KnownBrowsers
from gateway.web.auth.identity import Identities
from gateway.web.auth.passwords import Passwords
from gateway.web.background import Background, at_once
from gateway.web.gauges import Gauges
from gateway.web.metrics import Metrics
from gateway.web.multipart_uploads import FormUploads
from gateway.web.nginx.begin import DownloadStarts
from gateway.web.nginx.verdicts import Verdicts
from gateway.web.observation import Observer
from gateway.web.owned_drops import Drops
from gateway.web.owned_shares import Shares
from gateway.web.pages.drop_link import DropPage
from gateway.web.pages.files import FilePages
from gateway.web.pages.login import AccountPages
from gateway.web.pages.share_link import ShareLink
from gateway.web.pages.upload_form import UploadForm
from gateway.web.path_prefix import PathPrefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config.settings import Settings
    from gateway.web.nginx.verdicts import Judge


def create_app(
    settings: Settings,
    *,
    pool: Pool | None = None,
    clock: Callable[[], float] = time.time,  # noqa: TID251
) -> Flask:
    """Build the application of *pool*, or of both; *clock* returns Unix seconds.

    Raise SettingsError if the settings lack keys, secret, files or store.
    """
    if settings.keys is None or settings.files is None or settings.store is None:
        raise SettingsError(["GATEWAY_KEYS and GATEWAY_FILES must be set"])
    if settings.secret is None:
        raise SettingsError(["GATEWAY_SECRET must be set"])
    app = Flask(__name__, static_folder=None, template_folder="web/templates")
    # For forms and the API's JSON; Flask never gets the body of an upload.
    app.config["MAX_CONTENT_LENGTH"] = 65_536
    types = MediaTypes.read(asset("nginx/snippets/media_types.conf"))
    # Seconds to wait for PostgreSQL: a waiting verdict worker answers no other request,
    # and its queries are all short.
    silence = 3 if pool is Pool.VERDICTS else 8
    database = Database.open(
        settings.database, silence=silence, connections=_connections(settings, pool)
    )
    replica = replica_name(settings.replica, settings.data)
    store = BlobStore(settings.store, replica)
    blobs = stored_blobs(store, settings.blobs, settings.bucket_server)
    slot = counting.joined()
    admission = Admission(
        store, upload_limits(settings), replica, settings.shares_store
    )
    codes = DropCodes(settings.secret, settings.keys)
    identities = Identities(
        database,
        codes,
        clock,
        settings.session_life,
        # (!) Verdict workers must not wait for the catalog's single writer.
        Background() if pool is Pool.VERDICTS else at_once,
    )
    counts = VerdictCounts(slot.verdicts, () if pool is Pool.APP else verdicts.FAMILIES)
    requests = RequestCounters()
    observer = Observer(counts.by_family, requests)
    finaliser = Finaliser(
        database,
        store,
        blobs,
        admission,
        types,
        # The other threads stay free for short requests.
        FinaliseSlots(max(1, settings.app_threads // 2)),
        clock,
        settings.retention,
        None if isinstance(blobs, DiskBlobs) else blobs,
        observer.stored,
    )
    form_uploads = FormUploads(database, admission, finaliser, store, clock)
    upload_sessions = UploadSessions(
        database,
        SessionFiles(store),
        finaliser,
        types,
        settings.tus_expiry,
        replica,
        settings.shares_store,
    )

    def base_url() -> str:
        return settings.public_url or recorded_url(settings.data) or ""

    sessions.register(
        app,
        secret=settings.secret,
        public_url=settings.public_url,
        path_prefix=settings.path_prefix,
        life=settings.session_life,
    )
    browsers = KnownBrowsers(
        settings.secret,
        is_secure=app.config["SESSION_COOKIE_SECURE"],
        path=app.config["SESSION_COOKIE_PATH"],
    )
    csrf.register(app)
    brand = Brand(settings.name, settings.color, settings.logo)
    pages.register(app, brand, settings.path_prefix)
    judge = replace(
        signed_url_judge(settings, database, types), blob_content=blobs.content
    )
    share_codes = ShareCodes(settings.secret)
    items = Items(judge.files, types, blobs.content)
    lease_judge = LeaseJudge(
        codes=share_codes,
        leased=LeasedItems(Reader(database)),
        items=items,
        inline=judge.inline,
        cache_cap=settings.cache_max_age,
        ttl=settings.verdict_ttl,
    )
    judges: dict[str, Judge] = {SIGNED_PREFIX: judge, LEASE_PREFIX: lease_judge}
    if settings.authorize is not None:
        judges[AUTHORIZED_PREFIX] = AuthorizedJudge(
            files=judge.files,
            types=types,
            inline=judge.inline,
            ttl=settings.verdict_ttl,
        )
    routes.register(
        app,
        routes.Dependencies(
            judge=judge,
            repair=Repair(settings.keys, settings.secret),
            judges=judges,
            database=database,
            store=store,
            blobs=blobs,
            identities=identities,
            uploads=RawUploads(
                database=database,
                identities=identities,
                admission=admission,
                finaliser=finaliser,
                store=store,
                types=types,
                clock=clock,
            ),
            tus=TusUploads(
                identities=identities,
                sessions=upload_sessions,
                chunks=Chunks(upload_sessions),
                concatenation=Concatenation(upload_sessions),
                clock=clock,
                replica=settings.replica,
            ),
            file_pages=FilePages(database, identities, blobs, settings.upload_size),
            form=UploadForm(identities, form_uploads),
            drop_page=DropPage(identities, form_uploads, settings.upload_size, clock),
            drops=Drops(database, identities, codes, base_url, clock),
            shares=Shares(
                database,
                identities,
                share_codes,
                items,
                ShareChanges(database, settings.mail_limit),
                Descriptions(share_codes, base_url),
            ),
            share_link=ShareLink(
                Openings(
                    database,
                    share_codes,
                    settings.lease_life,
                    can_mail=settings.mail_limit is not None,
                ),
                items,
                judge.inline,
                clock,
                base_url,
            ),
            download_starts=DownloadStarts(
                replace(lease_judge, leased=LeasedItems(Borrower(database))),
                database,
                replica,
                clock,
            ),
            accounts=AccountPages(
                database,
                identities,
                Passwords(database, browsers),
                browsers,
                settings.first_password,
                clock,
            ),
            base_url=base_url,
            clock=clock,
            answers_verdicts=_verdicts_check(settings, pool),
            observer=observer,
            metrics=Metrics(
                identities,
                Exposition(
                    slot,
                    counts,
                    requests.registry,
                    {each: settings.socket(each) for each in Pool},
                    store.ledger,
                ),
                Gauges(
                    database,
                    {"data": settings.data, "store": settings.store},
                    settings.quota,
                    settings.free_space,
                    clock,
                ),
            ),
        ),
        pool,
    )
    if pool is not Pool.APP:
        by_prefix = {
            SIGNED_PREFIX: families.SIGNED,
            LEASE_PREFIX: families.LEASED,
            AUTHORIZED_PREFIX: families.AUTHORIZED,
        }
        app.wsgi_app = Verdicts(  # type: ignore[method-assign]
            app.wsgi_app,
            judges,
            {prefix: counts.by_family[f.name] for prefix, f in by_prefix.items()},
            clock,
        )
        if slot.folder is not None:
            counts.keep_published()
    if settings.path_prefix:
        app.wsgi_app = PathPrefix(app.wsgi_app, settings.path_prefix)  # type: ignore[method-assign]
    return app


def _verdicts_check(settings: Settings, pool: Pool | None) -> Callable[[], bool]:
    """Return a function that returns whether the verdicts pool answers.

    Without pools this application answers verdicts itself.
    """
    if pool is None:
        return lambda: True
    socket = settings.socket(Pool.VERDICTS)
    return lambda: probe(socket, "/healthz") is None


def _connections(settings: Settings, pool: Pool | None) -> int | None:
    """Return the most connections that a worker of *pool* needs at once.

    docs/operations.md adds them up.
    """
    if pool is Pool.VERDICTS:
        # One for each of two Readers, one to identify a user, and one to note in the
        # background that a token was used.
        return 4
    if pool is Pool.APP:
        # One for each thread, and one for deferred writes.
        return settings.app_threads + 1
    return None


def signed_url_judge(
    settings: Settings, database: Database, types: MediaTypes
) -> SignedURLJudge:
    """Return the judge of signed URLs.

    Raise SettingsError if the settings lack keys or files.
    """
    if settings.keys is None or settings.files is None:
        raise SettingsError(["GATEWAY_KEYS and GATEWAY_FILES must be set"])
    return SignedURLJudge(
        ring=settings.keys,
        files=served_files(settings.files, settings.bucket_server, settings.data),
        types=types,
        revocation_check=RevocationCheck(database),
        cache_cap=settings.cache_max_age,
        shared_cap=settings.shared_max_age,
        ttl=settings.verdict_ttl,
        inline=InlinePolicy(frozenset(settings.inline_types)),
    )


def upload_limits(settings: Settings) -> UploadLimits:
    """Return the upload limits in the settings."""
    return UploadLimits(
        size=settings.upload_size,
        quota=settings.quota,
        user_quota=settings.user_quota,
        free_space=settings.free_space,
        running=settings.uploads_per_user,
        types=settings.upload_types,
        denied_types=settings.denied_types,
    )
