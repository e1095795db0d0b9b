"""The checks on the gateway's own machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.doctor import folders, keys, services
from gateway.doctor.examination import Check
from gateway.doctor.results import Code

if TYPE_CHECKING:
    from gateway.doctor.machine import Machine


def checks(machine: Machine) -> list[Check]:
    """Return the checks of settings, files and services."""
    table = (
        (keys.SETTINGS_CODES, keys.check_settings),
        ((Code.KEYS_OLD,), keys.check_age),
        (folders.PERMISSION_CODES, folders.check_permissions),
        ((Code.DISK_FULL,), folders.check_disk),
        ((Code.BUCKET,), services.check_bucket),
        ((Code.NOT_RUNNING,), services.check_pools),
        ((Code.NGINX_CONF_OLD,), services.check_nginx_conf),
        ((Code.LEDGER,), services.check_ledger),
        (services.CATALOG_CODES, services.check_catalog),
        ((Code.HOUSEKEEPING,), services.check_housekeeping),
        (services.MAIL_CODES, services.check_mail),
    )
    return [Check(codes, partial(check, machine)) for codes, check in table]
