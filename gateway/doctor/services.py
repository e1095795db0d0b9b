"""What must run on the gateway's machine: pools, catalog, housekeeping, mail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.catalog import outbox, revision
from gateway.catalog.revision import Compatibility
from gateway.doctor.results import Code, found, not_checked, passed, shown
from gateway.errors import BucketBusyError, CatalogBusyError, RelayError
from gateway.http.pools import Pool
from gateway.mail.session import Timeouts, connect
from gateway.maintenance import last_round
from gateway.runtime import probe, rendering

if TYPE_CHECKING:
    from gateway.doctor.machine import Machine
    from gateway.doctor.results import Result

_MINUTE: Final = 60
#: Minutes without a round, or with a mail that waits.
_LATE: Final = 60
_TIMEOUTS: Final = Timeouts(reply=8, verdict=8)
_START: Final = "systemctl start gateway, or docker compose up -d"

CATALOG_CODES: Final = (Code.CATALOG, Code.CATALOG_SCHEMA)
MAIL_CODES: Final = (Code.MAIL_RELAY, Code.MAILS_WAIT)


def check_bucket(machine: Machine) -> list[Result]:
    """Check that all buckets answer, and permit to list them."""
    current = machine.settings
    if current.bucket_server is None:
        return [not_checked(Code.BUCKET, "no setting names a bucket")]
    # Imported here, since most gateways have no bucket and not its library.
    from gateway.storage.bucket import Bucket  # noqa: PLC0415

    urls = current.files.buckets if current.files is not None else []
    for url in (*urls, *([current.blobs] if current.blobs is not None else [])):
        try:
            Bucket.open(url, current.bucket_server).check_listing()
        except BucketBusyError as error:
            mend = (
                "Check GATEWAY_FILES, GATEWAY_BLOBS, GATEWAY_BUCKET_ENDPOINT and the "
                "access key."
            )
            return [found(Code.BUCKET, f"The {shown(str(error))}.", mend)]
    return [passed(Code.BUCKET, "All buckets can be listed.")]


def check_pools(machine: Machine) -> list[Result]:
    """Check that both pools of gunicorn answer on their sockets."""
    sockets = [machine.settings.socket(pool) for pool in Pool]
    silent = [str(path) for path in sockets if not probe.answers(path)]
    if not silent:
        return [passed(Code.NOT_RUNNING, "Both pools of gunicorn answer.")]
    fact = f"gunicorn does not answer on {' and '.join(silent)}."
    return [found(Code.NOT_RUNNING, fact, f"{_START}; or set GATEWAY_RUN.")]


def check_nginx_conf(machine: Machine) -> list[Result]:
    """Check that nginx's files are of this release."""
    run = machine.settings.run or machine.settings.data / "run"
    file = run / "conf" / "live" / rendering.RELEASE
    try:
        digest = file.read_text("ascii").strip()
    except FileNotFoundError:
        if file.parent.is_dir():
            digest = ""
        else:
            reason = "gateway serve has rendered no files for nginx"
            return [not_checked(Code.NGINX_CONF_OLD, reason)]
    if digest == rendering.release():
        return [passed(Code.NGINX_CONF_OLD, "nginx's files are of this release.")]
    fact = f"nginx's files in {file.parent} were rendered by another release."
    return [found(Code.NGINX_CONF_OLD, fact, "systemctl restart gateway")]


def check_ledger(machine: Machine) -> list[Result]:
    """Check that nginx writes the ledger, without which no counted download ends."""
    id_file = machine.settings.data / "id"
    if not (id_file.is_file() and probe.answers(machine.settings.socket(Pool.APP))):
        return [not_checked(Code.LEDGER, "the gateway does not run")]
    folder = machine.store.ledger
    if (folder / "current.log").exists():
        return [passed(Code.LEDGER, "nginx writes the ledger.")]
    fact = f"nginx writes no ledger in {folder}: counted downloads never end."
    mend = "In nginx's server: include /etc/nginx/gateway/snippets/ledger.conf;"
    return [found(Code.LEDGER, fact, mend)]


def check_catalog(machine: Machine) -> list[Result]:
    """Check that the catalog answers and has a schema that this release works with."""
    if not machine.has_catalog:
        fact = f"There is no catalog {machine.settings.catalog_file}."
        mend = "Set GATEWAY_DATA; a new gateway makes its catalog: gateway db upgrade"
        return [
            found(Code.CATALOG, fact, mend),
            not_checked(Code.CATALOG_SCHEMA, "there is no catalog"),
        ]
    database = machine.database
    try:
        database.check_writable()
        with database.read() as connection:
            compatibility = revision.check(connection)
            version = revision.version(connection)
    except (CatalogBusyError, SQLAlchemyError) as error:
        fact = f"The catalog does not answer: {shown(str(error))}."
        mend = "Start the database, and check GATEWAY_DATABASE."
        return [
            found(Code.CATALOG, fact, mend),
            not_checked(Code.CATALOG_SCHEMA, "the catalog does not answer"),
        ]
    finally:
        database.engine.dispose()
    schema = _schema(compatibility, version)
    file = machine.settings.catalog_file
    if file is not None and os.statvfs(file.parent).f_flag & os.ST_RDONLY:
        fact = f"The file system of {file} is read-only: logins and uploads fail."
        mend = "Mount it writable; after an error of the disk, see dmesg."
        return [found(Code.CATALOG, fact, mend), schema]
    return [passed(Code.CATALOG, "The catalog answers and is writable."), schema]


def _schema(compatibility: Compatibility, version: str) -> Result:
    fact = (
        f"The catalog has schema {version or 'none'}, and this release works with "
        f"{revision.NEWEST}."
    )
    if compatibility is Compatibility.TOO_OLD:
        return found(Code.CATALOG_SCHEMA, fact, "gateway db upgrade")
    if compatibility is Compatibility.TOO_NEW:
        mend = "Install the release that the other gateways of this catalog run."
        return found(Code.CATALOG_SCHEMA, fact, mend)
    return passed(Code.CATALOG_SCHEMA, fact)


def check_housekeeping(machine: Machine) -> list[Result]:
    """Check that housekeeping runs."""
    last = last_round.recorded(machine.settings.data)
    mend = "gateway serve runs it; beside your own nginx: gateway housekeep --every 60"
    if last is None:
        fact = "Housekeeping has never run: nothing is deleted, and no mail is sent."
        return [found(Code.HOUSEKEEPING, fact, mend)]
    minutes = int(machine.clock() - last) // _MINUTE
    fact = f"Housekeeping last ran {minutes} minutes ago."
    if minutes > _LATE:
        return [found(Code.HOUSEKEEPING, fact, mend)]
    return [passed(Code.HOUSEKEEPING, fact)]


def check_mail(machine: Machine) -> list[Result]:
    """Log in to the relay, without sending anything; look for mails that wait."""
    return [_relay(machine), _waiting(machine)]


def _relay(machine: Machine) -> Result:
    url = machine.settings.mail_url
    if url is None:
        return not_checked(Code.MAIL_RELAY, "GATEWAY_MAIL_URL is not set")
    try:
        connect(url, _TIMEOUTS, str).disconnect()
    except RelayError as error:
        mend = "Correct GATEWAY_MAIL_URL; gateway mail test ADDRESS shows the dialogue."
        return found(Code.MAIL_RELAY, f"The {shown(str(error))}.", mend)
    return passed(Code.MAIL_RELAY, "The mail relay accepts the gateway.")


def _waiting(machine: Machine) -> Result:
    if not machine.has_catalog:
        return not_checked(Code.MAILS_WAIT, "there is no catalog")
    database = machine.database
    before = int(machine.clock()) - _LATE * _MINUTE
    try:
        if not revision.is_usable(database):
            return not_checked(Code.MAILS_WAIT, "the catalog is of another release")
        with database.read() as connection:
            count, words = outbox.waiting(connection, before=before)
    except (CatalogBusyError, SQLAlchemyError):
        return not_checked(Code.MAILS_WAIT, "the catalog does not answer")
    finally:
        database.engine.dispose()
    if not count:
        return passed(Code.MAILS_WAIT, "No mail waits.")
    because = f" ({shown(words)})" if words else ""
    return found(
        Code.MAILS_WAIT,
        f"{count} mails have waited for more than {_LATE} minutes{because}.",
        "Set GATEWAY_MAIL_URL and GATEWAY_MAIL_FROM, and run housekeeping; gateway "
        "mail test ADDRESS shows what the relay says.",
    )
