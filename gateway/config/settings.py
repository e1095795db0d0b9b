"""The settings: environment variables, read here and nowhere else.

Every ``GATEWAY_X`` may also be given as ``GATEWAY_X_FILE``, the path of a file
that holds the value.  The children of ``gateway serve`` take what it has read.
``docs/settings.md`` is this module for operators.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config import places, snapshot, variables
from gateway.config.fields import (
    SQLITE,
    Colour,
    DatabaseURL,
    Hosts,
    LedgerAddresses,
    MediaRanges,
    MediaTypeNames,
    Networks,
    Number,
    Origins,
    PlainPath,
    PublicURL,
    Relay,
    Ring,
    RunFolder,
    Seconds,
    Secret,
    Sender,
    SiteName,
    Size,
    URLPath,
    run_folder,
)
from gateway.config.variables import FILE_SUFFIX, variable
from gateway.errors import SettingsError
from gateway.http.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gateway.config.snapshot import Snapshot

_DATA: Final = "var"
_VERDICTS: Final = "verdicts"
#: Fields whose file in the data folder has their name, and the command that makes it.
_EMBEDDED: Final = {"keys": "gateway keys new --add", "secret": "gateway serve"}
#: Without these a relay is of no use: a mail has a sender, and a link that leads to the
#: gateway from everywhere.
_FOR_MAIL: Final = ("mail_from", "public_url")
#: The descriptor of the snapshot that a child of ``gateway serve`` reads.
_SNAPSHOT: Final = "GATEWAY_SNAPSHOT"


class Settings(BaseModel):
    """All settings, checked.  A field ``x`` is the variable ``GATEWAY_X``."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    keys: Ring | None = None
    """Signing keys, ``id:secret,id:secret``, newest first."""
    secret: Secret | None = None
    """The server secret, ``secret,secret``, newest first."""
    files: PlainPath | None = None
    """The folder of files that signed URLs lead to."""
    data: PlainPath = Field(default=Path(_DATA), validate_default=True)
    """The gateway's own folder: keys, secret, catalog, uploads."""
    store: PlainPath | None = None
    """Uploads: blobs and the spool, in one file system; default ``<data>/store``."""
    database: DatabaseURL = Field(default="", repr=False)
    """SQLAlchemy's URL of the catalog; default SQLite in the data folder."""
    run: RunFolder | None = None
    """The pools' sockets, and the rendered configuration; default ``<data>/run``."""
    pool: Pool | None = None
    """The pool that this gunicorn is; ``gateway serve`` runs both."""
    public_url: PublicURL | None = None
    """The address that people use, as in ``https://files.example.com``."""
    name: SiteName = "Files"
    """What the pages call this site."""
    color: Colour = "#2457c5"
    """The colour of buttons and links, ``#rrggbb``."""
    logo: URLPath = ""
    """The path of a picture on this site that stands before its name."""
    hosts: Hosts = ()
    """Further host names that are answered; ``*`` answers any."""
    trusted_proxies: Networks = ()
    """Networks of the proxies and CDNs whose X-Forwarded-For is believed."""
    hsts: Seconds = Field(default=0, ge=0)
    """Seconds that browsers that came by TLS are to use it alone; 0 is not said."""
    cors_origins: Origins = ()
    """Origins whose scripts may read deliveries."""
    inline_types: MediaTypeNames = ()
    """Media types shown in the browser although they can run script."""
    cache_max_age: Seconds = Field(default=86_400, ge=0, le=31_536_000)
    """Seconds that a client may keep a delivery, at most."""
    verdict_ttl: Seconds = Field(default=1, ge=0, le=60)
    """Seconds that nginx keeps the verdict on a bearer URL, at most; 0 is none."""
    verdict_cache: PlainPath | None = None
    """Where it keeps them, on tmpfs; default ``<run>/verdicts``."""
    workers: Number = Field(default=0, ge=0, le=256)
    """Processes that answer verdicts; 0 is two for each core and one more."""
    app_workers: Number = Field(default=0, ge=0, le=256)
    """Processes for all else; 0 is one for each core, two at least."""
    app_threads: Number = Field(default=16, ge=1, le=256)
    """Threads of each of these."""
    grace: Seconds = Field(default=30, ge=1, le=3600)
    """Seconds that running requests get to finish when the gateway stops."""
    upload_size: Size = Field(default=10 * 2**30, ge=0)
    """Bytes of one upload, at most; 0 is no limit."""
    quota: Size = Field(default=0, ge=0)
    """Bytes of all uploads together, at most; 0 is no limit."""
    user_quota: Size = Field(default=0, ge=0)
    """Bytes of one user's uploads together, at most; 0 is no limit."""
    free_space: Size = Field(default=2**30, ge=0)
    """Bytes that uploads leave free on the store's disk."""
    uploads_per_user: Number = Field(default=16, ge=0)
    """Uploads of one user at a time; 0 is no limit."""
    upload_types: MediaRanges = ()
    """Media types that are taken; none named are all."""
    denied_types: MediaRanges = ()
    """Media types that are not taken."""
    tus_expiry: Seconds = Field(default=604_800, ge=60)
    """Seconds that an unfinished resumable upload is kept after its last byte."""
    retention: Seconds = Field(default=0, ge=0)
    """Seconds that uploads are kept; 0 is until somebody deletes them."""
    session_life: Seconds = Field(default=43_200, ge=60)
    """Seconds that a login lasts."""
    lease_life: Seconds = Field(default=86_400, ge=60, le=2_592_000)
    """Seconds that a download from a share's page may take, resumes included."""
    ledger_addresses: LedgerAddresses = LedgerAddresses.CUT
    """What of clients' addresses the ledger holds: cut (/24, /48), full or none."""
    ledger_days: Number = Field(default=90, ge=1, le=36_500)
    """Days that a share is kept after its end, with all that was booked of it."""
    token: str = Field(default="", repr=False)
    """The bearer token that ``gateway upload`` sends."""
    client_connections: Number = Field(default=100, ge=1, le=100_000)
    """Requests of one client at a time."""
    client_requests: Number = Field(default=200, ge=1, le=1_000_000)
    """Requests a second of one client."""
    mail_url: Relay | None = None
    """The relay that takes mail, as in ``smtp://user:password@host:587``."""
    mail_from: Sender | None = None
    """The sender of all mail, as in ``Files <files@example.com>``."""
    mails_per_user: Number = Field(default=1000, ge=0)
    """Mails of one user in a day; 0 is no limit."""

    @property
    def mail_limit(self) -> int | None:
        """Mails of one user in a day, 0 being no limit; None without a relay."""
        return None if self.mail_url is None else self.mails_per_user

    def model_post_init(self, _context: object, /) -> None:
        """Derive from the data folder what is not set."""
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
    def catalog_file(self) -> Path | None:
        """The catalog's file; None if a server has the catalog."""
        is_file = self.database.startswith(SQLITE)
        return Path(self.database.removeprefix(SQLITE)) if is_file else None

    @property
    def health_socket(self) -> Path:
        """Where the verdicts' pool tells that it lives, whatever it waits for."""
        return (self.run or self.data / "run") / "health.sock"

    def socket(self, pool: Pool) -> Path:
        """Return where that pool listens and nginx asks it."""
        return (self.run or self.data / "run") / pool.socket

    @property
    def embedded_keys(self) -> Path:
        """The key file that ``gateway serve`` makes."""
        return self.data / "keys"

    @property
    def embedded_secret(self) -> Path:
        """The file of the server secret that ``gateway serve`` makes."""
        return self.data / "secret"

    @property
    def first_password(self) -> Path:
        """The file of the first administrator's password, until they change it."""
        return self.data / "first-password"


def describe() -> dict[str, str]:
    """Return each setting's variable and its field's name, for docs and tests."""
    return {variable(name): name for name in Settings.model_fields}


@dataclasses.dataclass(frozen=True)
class Reading:
    """Settings, warnings about misspelt variables, and the texts they came from.

    ``environment`` holds all that was read, files included, as variables that
    give the same settings again.
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
    """Read the settings from *environ*, by default the process's own.

    *required* fields must be set; *only* these are read.  With *embedded*,
    keys and secret that are set nowhere come from the files that ``gateway serve``
    made in the data folder.  Without *look* it is not looked at what lies on disk.
    Raise SettingsError with every fault at once.

    A child of ``gateway serve`` reads what that has read and checked: neither files
    nor the disk are looked at again.
    """
    environ = os.environ if environ is None else environ
    is_child = bool(environ.get(_SNAPSHOT))
    if is_child:
        environ = {**snapshot.read(int(environ[_SNAPSHOT])), **environ}
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
        _add_embedded(values, faults)
        data = Path(values.get("data", _DATA))
        hints = {field: _not_made(data / field) for field in _EMBEDDED}
    faults.extend(variables.missing(required, values, faults, hints))
    try:
        settings = Settings.model_validate(values)
        if settings.mail_url is not None:
            needed = [field for field in _FOR_MAIL if field in only]
            faults.extend(variables.missing(needed, values, faults, hints))
    except ValidationError as error:
        faults.extend(variables.validation_faults(error))
    if check_disk and not is_child:
        faults.extend(_misplaced(environ, values, faults))
    if faults:
        raise SettingsError(faults)
    read_again = {
        variable(field): values.get(field, "") for field in Settings.model_fields
    }
    read_again |= {f"{name}{FILE_SUFFIX}": "" for name in read_again}
    read_again[_SNAPSHOT] = ""
    return Reading(
        settings,
        () if is_child else tuple(variables.misspelt(environ, describe())),
        read_again,
    )


def _add_embedded(values: dict[str, str], faults: list[str]) -> None:
    """Read keys and secret from the data folder, where nothing else says them."""
    for field in _EMBEDDED:
        made = Path(values.get("data", _DATA), field)
        if field in values or not made.is_file():
            continue
        try:
            values[field] = variables.content(made)
        except ValueError as error:
            faults.append(f"{variable(field)}: {error}")


def missing_fault(field: str, data: Path) -> str:
    """Return the fault of keys, or a secret, that are neither set nor in *data*."""
    return f"{variable(field)}: is not set{_not_made(data / field)}"


def _not_made(file: Path) -> str:
    return (
        f", and there is no {file.absolute()}; is GATEWAY_DATA right? A new gateway "
        f"makes it with: {_EMBEDDED[file.name]}"
    )


def is_set(field: str, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether a field is set, fit or not."""
    environ = os.environ if environ is None else environ
    try:
        return variables.value(environ, variable(field)) is not None
    except ValueError:
        return True


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what commands remember of this user's doings.

    XDG Base Directory Specification, ``$XDG_STATE_HOME``.
    """
    environ = os.environ if environ is None else environ
    home = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "accel-gateway"


def child_environment(snapshot: Snapshot, **more: str) -> dict[str, str]:
    """Return the environment of a child that takes the settings from *snapshot*.

    It holds no setting but those among *more*, which count beside the snapshot.
    """
    own = {f"{name}{end}" for name in describe() for end in ("", FILE_SUFFIX)}
    rest = {name: text for name, text in os.environ.items() if name not in own}
    return {**rest, _SNAPSHOT: str(snapshot.descriptor), **more}


def _misplaced(
    environ: Mapping[str, str], values: Mapping[str, str], faults: list[str]
) -> Iterable[str]:
    """Return the faults of where things lie, but for what is faulty already."""
    own = {variable("data"): values.get("data", _DATA)}
    own |= {
        variable(f): values[f] for f in ("run", "store", "verdict_cache") if f in values
    }
    if values.get("database", "").startswith(SQLITE):
        own[variable("database")] = values["database"].removeprefix(SQLITE)
    for field in values:
        name = variable(field) + FILE_SUFFIX
        if environ.get(name):
            own[name] = environ[name]
    said, files = variables.faulty_names(faults), variable("files")
    if "files" in values and files not in said:
        fit = {name: path for name, path in own.items() if name not in said}
        yield from places.faults(files, values["files"], fit)
