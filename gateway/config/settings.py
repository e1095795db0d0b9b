"""The settings, read from environment variables here and nowhere else.

Every ``GATEWAY_X`` may also be set as ``GATEWAY_X_FILE``, the path of a file that
contains the value.  The children of ``gateway serve`` get the settings that their
parent has read.  ``docs/settings.md`` describes all settings for operators.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config import places, secret_files, snapshot, variables
from gateway.config.authorize import WHOLE_HEADERS
from gateway.config.fields import (
    SQLITE,
    Authorize,
    BlobsURL,
    BucketEndpoint,
    Colour,
    Credentials,
    DatabaseURL,
    FilePlaces,
    Hosts,
    LedgerAddresses,
    MediaRanges,
    MediaTypeNames,
    Networks,
    Number,
    Origins,
    PlainPath,
    PublicURL,
    Region,
    Relay,
    Replica,
    Ring,
    RunFolder,
    Seconds,
    Secret,
    Sender,
    ServerURL,
    SiteName,
    Size,
    URLPath,
    run_folder,
)
from gateway.config.variables import FILE_SUFFIX, variable
from gateway.errors import SettingsError
from gateway.http.pools import Pool
from gateway.storage.bucket_server import DEFAULT_REGION, BucketServer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_VERDICTS: Final = "verdicts"
#: Each needs the other one.
_BUCKET_KEY: Final = ("bucket_key_id", "bucket_secret")
#: Required with a relay: a mail needs a sender, and a link that works from anywhere.
_FOR_MAIL: Final = ("mail_from", "public_url")


class Settings(BaseModel):
    """All settings, validated.  The field ``x`` is the variable ``GATEWAY_X``."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    keys: Ring | None = None
    """Sets the signing keys, ``id:secret,id:secret``, newest first."""
    secret: Secret | None = None
    """Sets the server secret, ``secret,secret``, newest first."""
    files: FilePlaces | None = None
    """Lists the folders and buckets of files that signed URLs deliver."""
    bucket_endpoint: BucketEndpoint | None = None
    """Sets the URL of the server of all buckets; default Amazon S3."""
    bucket_region: Region = DEFAULT_REGION
    """Sets the region of all buckets; default ``us-east-1``."""
    bucket_key_id: str = ""
    """Sets the access key's id; default the provider's own credentials."""
    bucket_secret: str = Field(default="", repr=False)
    """Sets the access key's secret."""
    cache_space: Size = Field(default=10 * 2**30, ge=2**20)
    """Sets the space of nginx's cache of buckets, in bytes; default 10 GiB."""
    data: PlainPath = Field(default=Path(places.DATA), validate_default=True)
    """Sets the folder for keys, secret, catalog and uploads; default ``var``."""
    store: PlainPath | None = None
    """Sets the folder of uploads, on one file system; default ``<data>/store``."""
    blobs: BlobsURL | None = None
    """Sets the bucket of the uploads' content; default is the store."""
    database: DatabaseURL = Field(default="", repr=False)
    """Sets the catalog's SQLAlchemy URL; default ``<data>/catalog.sqlite3``."""
    database_direct: ServerURL = Field(default="", repr=False)
    """Sets the URL of PostgreSQL itself, if ``GATEWAYDATABASE`` is a pooler's."""
    replica: Replica | None = None
    """Sets this gateway's name among those of one catalog; default is its id."""
    run: RunFolder | None = None
    """Sets the folder of sockets and nginx's configuration; default ``<data>/run``."""
    pool: Pool | None = None
    """Selects the pool of this gunicorn process; ``gateway serve`` runs both pools."""
    public_url: PublicURL | None = None
    """Sets the gateway's public address, such as ``https://files.example.com``."""
    authorize: Authorize | None = None
    """Sets the URL at which nginx asks the site's application about ``/p/<path>``."""
    authorize_by: Credentials = WHOLE_HEADERS
    """Lists the cookies and headers per whose value a kept answer holds."""
    name: SiteName = "Files"
    """Sets the site name on pages, up to 60 characters; default ``Files``."""
    color: Colour = "#2457c5"
    """Sets the colour of buttons and links, ``#rrggbb``; default ``#2457c5``."""
    logo: URLPath = ""
    """Sets the path of the site's logo; default is an icon in the site's colour."""
    hosts: Hosts = ()
    """Lists additional host names to answer; ``*`` answers all; default none."""
    trusted_proxies: Networks = ()
    """Lists proxy networks whose ``X-Forwarded-For`` is trusted; default none."""
    hsts: Seconds = Field(default=0, ge=0)
    """Sets the ``max-age`` of HSTS, in seconds; 0, the default, sends no header."""
    cors_origins: Origins = ()
    """Lists the origins whose scripts may read deliveries; default none."""
    inline_types: MediaTypeNames = ()
    """Lists media types to show inline although they can run script; default none."""
    cache_max_age: Seconds = Field(default=86_400, ge=0, le=31_536_000)
    """Sets how long a client may cache a delivery, in seconds; default one day."""
    shared_max_age: Seconds = Field(default=0, ge=0, le=31_536_000)
    """Sets how long shared caches may store shared links, in seconds; default 0."""
    verdict_ttl: Seconds = Field(default=1, ge=0, le=60)
    """Sets how long nginx caches a verdict, in seconds; default 1; 0 disables it."""
    verdict_cache: PlainPath | None = None
    """Sets the folder of cached verdicts, on tmpfs; default ``<run>/verdicts``."""
    nginx_workers: Number = Field(default=0, ge=0, le=256)
    """Sets the number of nginx's workers; 0, the default, is 1 per core."""
    workers: Number = Field(default=0, ge=0, le=256)
    """Sets the number of verdict workers; 0, the default, is 2 per core plus 1."""
    app_workers: Number = Field(default=0, ge=0, le=256)
    """Sets the number of app workers; 0, the default, is 1 per core, at least 2."""
    app_threads: Number = Field(default=16, ge=1, le=256)
    """Sets the number of threads per app worker; default 16."""
    grace: Seconds = Field(default=30, ge=1, le=3600)
    """Sets how long running requests may take at a stop, in seconds; default 30."""
    upload_size: Size = Field(default=10 * 2**30, ge=0)
    """Sets the maximum size of an upload, in bytes; default 10 GiB; 0 is no limit."""
    quota: Size = Field(default=0, ge=0)
    """Sets the maximum size of all uploads, in bytes; 0, the default, is no limit."""
    user_quota: Size = Field(default=0, ge=0)
    """Sets the maximum size of a user's uploads, in bytes; default 0, no limit."""
    free_space: Size = Field(default=2**30, ge=0)
    """Sets the space that uploads leave free on disk, in bytes; default 1 GiB."""
    uploads_per_user: Number = Field(default=16, ge=0)
    """Sets the maximum concurrent uploads of a user; default 16; 0 is no limit."""
    upload_types: MediaRanges = ()
    """Lists the media types that are accepted; the default, none, accepts all."""
    denied_types: MediaRanges = ()
    """Lists the media types that are rejected; default none."""
    tus_expiry: Seconds = Field(default=604_800, ge=60)
    """Sets how long an idle upload session is kept, in seconds; default 7 days."""
    retention: Seconds = Field(default=0, ge=0)
    """Sets how long uploads are kept, in seconds; 0, the default, is for ever."""
    session_life: Seconds = Field(default=43_200, ge=60)
    """Sets how long a login session lasts, in seconds; default 12 hours."""
    lease_life: Seconds = Field(default=86_400, ge=60, le=2_592_000)
    """Sets how long a lease is valid, resumes included, in seconds; default 1 day."""
    ledger_addresses: LedgerAddresses = LedgerAddresses.CUT
    """Sets how much of client addresses the ledger records; default ``cut``."""
    ledger_days: Number = Field(default=90, ge=1, le=36_500)
    """Sets how long an ended share and its bookings are kept, in days; default 90."""
    token: str = Field(default="", repr=False)
    """Sets the bearer token that ``gateway upload`` sends."""
    client_connections: Number = Field(default=100, ge=1, le=100_000)
    """Sets the maximum concurrent requests of a client; default 100."""
    client_requests: Number = Field(default=200, ge=1, le=1_000_000)
    """Sets the maximum rate of a client, in requests per second; default 200."""
    mail_url: Relay | None = None
    """Sets the mail relay, such as ``smtp://user:password@host:587``."""
    mail_from: Sender | None = None
    """Sets the sender of all mails, such as ``Files <files@example.com>``."""
    mails_per_user: Number = Field(default=1000, ge=0)
    """Sets the maximum mails of a user in 24 hours; default 1000; 0 is no limit."""

    @property
    def path_prefix(self) -> str:
        """The path of the public URL, such as ``/media``; empty if it has no path."""
        return urlsplit(self.public_url or "").path

    @property
    def required_together(self) -> tuple[str, ...]:
        """The fields that must be set because others are."""
        has_key = self.bucket_key_id or self.bucket_secret
        return (
            *(_FOR_MAIL if self.mail_url is not None else ()),
            *(_BUCKET_KEY if has_key else ()),
        )

    @property
    def mail_limit(self) -> int | None:
        """Mails per user in 24 hours, at most; 0 is no limit, None means no relay."""
        return None if self.mail_url is None else self.mails_per_user

    def model_post_init(self, _context: object, /) -> None:
        """Derive the paths that are not set from the data folder."""
        if self.run is None:
            object.__setattr__(self, "run", run_folder(self.data / "run"))
        if self.store is None:
            object.__setattr__(self, "store", self.data / "store")
        if self.verdict_cache is None and self.run is not None:
            object.__setattr__(self, "verdict_cache", self.run / _VERDICTS)
        if not self.database:
            url = f"{SQLITE}{self.data}/catalog.sqlite3"
            object.__setattr__(self, "database", url)

    @property
    def bucket_server(self) -> BucketServer | None:
        """The server of the buckets; None if there is no bucket."""
        has_files = self.files is not None and bool(self.files.buckets)
        if self.blobs is None and not has_files:
            return None
        return BucketServer.of(
            self.bucket_endpoint,
            self.bucket_region,
            self.bucket_key_id,
            self.bucket_secret,
        )

    @property
    def catalog_file(self) -> Path | None:
        """The catalog's SQLite file; None if the catalog is on a database server."""
        is_file = self.database.startswith(SQLITE)
        return Path(self.database.removeprefix(SQLITE)) if is_file else None

    @property
    def lock_database(self) -> str | None:
        """The URL for locks of processes; None without a database server."""
        is_server = self.catalog_file is None
        return (self.database_direct or self.database) if is_server else None

    @property
    def health_socket(self) -> Path:
        """The health check socket of the verdicts pool, answered even if it is busy."""
        return (self.run or self.data / "run") / "health.sock"

    @property
    def metrics_folder(self) -> Path:
        """The folder in which the gateway's processes count."""
        return (self.run or self.data / "run") / "metrics"

    @property
    def shares_store(self) -> bool:
        """Whether all gateways of the catalog have the same store: the blobs are in it.

        Then any of them can continue an upload session.
        """
        return self.blobs is None

    def socket(self, pool: Pool) -> Path:
        """Return the path of the socket on which *pool* listens."""
        return (self.run or self.data / "run") / pool.socket

    @property
    def embedded_keys(self) -> Path:
        """The path of the key file that ``gateway serve`` creates."""
        return self.data / "keys"

    @property
    def embedded_secret(self) -> Path:
        """The path of the server secret's file that ``gateway serve`` creates."""
        return self.data / "secret"

    @property
    def first_password(self) -> Path:
        """The path of the first administrator's password, until it is changed."""
        return self.data / "first-password"


def describe() -> dict[str, str]:
    """Return the field name of each environment variable, for docs and tests."""
    return {variable(name): name for name in Settings.model_fields}


@dataclasses.dataclass(frozen=True)
class Reading:
    """Settings, warnings about misspelt variables, and the texts that were read.

    ``environment`` contains all values, including those read from files, as variables
    that give the same settings when read again.
    """

    settings: Settings
    warnings: tuple[str, ...]
    environment: dict[str, str] = dataclasses.field(repr=False)


def read(
    environ: Mapping[str, str] | None = None,
    *,
    required: Collection[str] = (),
    only: Collection[str] = tuple(Settings.model_fields),
    embedded: bool = False,
    check_disk: bool = True,
) -> Reading:
    """Read the settings from *environ*, by default the process's environment.

    The *required* fields must be set; the fields in *only* are read.  With *embedded*,
    keys and secret that are not set are read from the files that ``gateway serve``
    created in the data folder.  With *check_disk*, the locations of folders are
    checked.  Raise SettingsError with all faults at once.

    A child of ``gateway serve`` reads the supervisor's snapshot, which is already
    checked: it neither reads files nor checks the disk again.
    """
    environ = os.environ if environ is None else environ
    is_child = bool(environ.get(snapshot.VARIABLE))
    if is_child:
        environ = {**snapshot.read(int(environ[snapshot.VARIABLE])), **environ}
    values: dict[str, str] = {}
    faults = list(variables.removed(environ, only))
    for field in only:
        try:
            value = variables.value(environ, variable(field))
        except ValueError as error:
            faults.append(str(error))
            continue
        if value is not None:
            values[field] = value
    hints = {}
    if embedded:
        data = Path(values.get("data", places.DATA))
        secret_files.read(data, values, faults, only)
        hints = {
            field: secret_files.missing_hint(field, data)
            for field in secret_files.FIELDS
        }
    faults.extend(variables.missing(required, values, faults, hints))
    try:
        settings = Settings.model_validate(values)
        needed = [field for field in settings.required_together if field in only]
        faults.extend(variables.missing(needed, values, faults, hints))
    except ValidationError as error:
        faults.extend(variables.validation_faults(error))
    if check_disk and not is_child:
        faults.extend(places.misplaced(environ, values, faults))
    if faults:
        raise SettingsError(faults)
    read_again = {
        variable(field): values.get(field, "") for field in Settings.model_fields
    }
    read_again |= {f"{name}{FILE_SUFFIX}": "" for name in read_again}
    read_again[snapshot.VARIABLE] = ""
    return Reading(
        settings,
        () if is_child else tuple(variables.misspelt(environ, describe())),
        read_again,
    )


def read_valid(
    environ: Mapping[str, str] | None = None,
) -> tuple[Reading, tuple[str, ...]]:
    """Read all settings except invalid ones, and return their faults.

    Keys and secret are read from the data folder if they are not set.
    """
    fields = set(Settings.model_fields)
    # Each fault once, in the order of the variables.
    faults: dict[str, None] = {}
    while True:
        try:
            return read(environ, only=fields, embedded=True), tuple(faults)
        except SettingsError as error:
            names = variables.faulty_names(error.faults)
            faulty = {field for field in fields if variable(field) in names}
            if not faulty:
                raise
            faults |= dict.fromkeys(error.faults)
            fields -= faulty
