"""The environment becomes checked settings, or all of its faults at once."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.config import environment, settings
from gateway.config.authorize import (
    WHOLE_HEADERS,
    AuthorizeURL,
    Credential,
    Kind,
)
from gateway.config.fields import LedgerAddresses
from gateway.config.mail_url import MailURL, Security
from gateway.config.snapshot import Snapshot
from gateway.config.variables import variable
from gateway.errors import SettingsError
from gateway.http.pools import Pool
from gateway.links import Key, KeyRing
from gateway.links.server_secret import ServerSecret
from gateway.mail_address import Mailbox
from gateway.origin import Origin
from gateway.storage.places import BucketURL, Place, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "TheSecret-0123456789-abcdefghijklmnop"
SHORT = "TheSecret-0123456789"
KEYS = f"k1:{SECRET}"
EXAMPLE = "change-me-change-me-change-me-change-me"


def setting(field: str, text: str) -> object:
    """Return what *field* is read as from *text*."""
    reading = settings.read({variable(field): text})
    value: object = getattr(reading.settings, field)
    return value


def faults(
    environ: dict[str, str], *required: str, embedded: bool = False
) -> list[str]:
    """Return the faults that *environ* is refused with."""
    with pytest.raises(SettingsError) as caught:
        settings.read(environ, required=required, embedded=embedded)
    return caught.value.faults


def test_nothing_set_gives_the_defaults() -> None:
    """Every setting has a default that some command can do with."""
    chosen = settings.read({}).settings
    data = Path.cwd() / "var"
    assert vars(chosen) == {
        "keys": None,
        "secret": None,
        "files": None,
        "bucket_endpoint": None,
        "bucket_region": "us-east-1",
        "bucket_key_id": "",
        "bucket_secret": "",
        "cache_space": 10 * 2**30,
        "data": data,
        "store": data / "store",
        "blobs": None,
        "database": f"sqlite:///{data}/catalog.sqlite3",
        "database_direct": "",
        "replica": None,
        "run": data / "run",
        "pool": None,
        "public_url": None,
        "authorize": None,
        "authorize_by": WHOLE_HEADERS,
        "name": "Files",
        "color": "#2457c5",
        "logo": "",
        "hosts": (),
        "trusted_proxies": (),
        "hsts": 0,
        "cors_origins": (),
        "inline_types": (),
        "cache_max_age": 86_400,
        "shared_max_age": 0,
        "verdict_ttl": 1,
        "verdict_cache": data / "run" / "verdicts",
        "nginx_workers": 0,
        "workers": 0,
        "app_workers": 0,
        "app_threads": 16,
        "grace": 30,
        "upload_size": 10 * 2**30,
        "quota": 0,
        "user_quota": 0,
        "free_space": 2**30,
        "uploads_per_user": 16,
        "upload_types": (),
        "denied_types": (),
        "tus_expiry": 7 * 86_400,
        "retention": 0,
        "session_life": 12 * 3600,
        "lease_life": 86_400,
        "ledger_addresses": LedgerAddresses.CUT,
        "ledger_days": 90,
        "token": "",
        "client_connections": 100,
        "client_requests": 200,
        "mail_url": None,
        "mail_from": None,
        "mails_per_user": 1000,
    }


READ = {
    "keys": (KEYS, KeyRing((Key("k1", SECRET),))),
    "secret": (SECRET, ServerSecret((SECRET,))),
    "files": (
        "/usr videos/=s3://media/films",
        Places(
            (Place("", Path("/usr")), Place("videos/", BucketURL("media", "films/")))
        ),
    ),
    "bucket_endpoint": ("http://s3:8333", Origin("http", "s3", 8333)),
    "bucket_region": ("eu-central-1", "eu-central-1"),
    "bucket_key_id": ("AKIAEXAMPLE", "AKIAEXAMPLE"),
    "bucket_secret": (SECRET, SECRET),
    "cache_space": ("20G", 20 * 2**30),
    "data": ("/srv/gateway", Path("/srv/gateway")),
    "store": ("/srv/store", Path("/srv/store")),
    "blobs": ("s3://media/uploads/", BucketURL("media", "uploads/")),
    "database": ("postgresql+psycopg://db/gw", "postgresql+psycopg://db/gw"),
    "database_direct": ("postgresql+psycopg://db/gw", "postgresql+psycopg://db/gw"),
    "replica": ("eu-1", "eu-1"),
    "run": ("/run/gateway", Path("/run/gateway")),
    "pool": ("app", Pool.APP),
    "public_url": ("https://files.example.com/", "https://files.example.com"),
    "authorize": (
        "http://[::1]:5000/may-read",
        AuthorizeURL(Origin("http", "::1", 5000), "/may-read"),
    ),
    "authorize_by": (
        "cookie:sessionid,header:X-Api-Key",
        (
            Credential(Kind.COOKIE, "sessionid"),
            Credential(Kind.HEADER, "X-Api-Key"),
        ),
    ),
    "name": ("Müller & Co", "Müller & Co"),
    "color": ("#A0b1C2", "#A0b1C2"),
    "logo": ("/s/a.b/logo.svg?v=1", "/s/a.b/logo.svg?v=1"),
    "hosts": (
        "a.example, *.b.example\n[::1] *",
        ("a.example", "*.b.example", "[::1]", "*"),
    ),
    "trusted_proxies": ("10.0.0.0/8,::1", ("10.0.0.0/8", "::1")),
    "hsts": ("365d", 31_536_000),
    "cors_origins": (
        "https://a.example http://b:81",
        ("https://a.example", "http://b:81"),
    ),
    "inline_types": (" image/svg+xml,, text/csv ", ("image/svg+xml", "text/csv")),
    "cache_max_age": ("0", 0),
    "shared_max_age": ("5m", 300),
    "verdict_ttl": ("60", 60),
    "verdict_cache": ("/run/verdicts", Path("/run/verdicts")),
    "nginx_workers": ("256", 256),
    "workers": ("256", 256),
    "app_workers": ("0", 0),
    "app_threads": ("1", 1),
    "grace": ("3600", 3600),
    "upload_size": ("1", 1),
    "quota": ("2", 2),
    "user_quota": ("3", 3),
    "free_space": ("0", 0),
    "uploads_per_user": ("0", 0),
    "upload_types": ("image/* text/csv", ("image/*", "text/csv")),
    "denied_types": ("text/html", ("text/html",)),
    "tus_expiry": ("60", 60),
    "retention": ("1", 1),
    "session_life": ("60", 60),
    "lease_life": ("60", 60),
    "ledger_addresses": ("none", LedgerAddresses.NONE),
    "ledger_days": ("7", 7),
    "token": ("gwt_x", "gwt_x"),
    "client_connections": ("1", 1),
    "client_requests": ("2", 2),
    "mail_url": (
        "smtps://me:it@relay.example",
        MailURL("relay.example", 465, Security.TLS, "me", "it"),
    ),
    "mail_from": (
        "Files <files@example.com>",
        Mailbox("files@example.com", "files@example.com", "Files"),
    ),
    "mails_per_user": ("0", 0),
}


def test_every_setting_has_a_case_below() -> None:
    """A new setting is not finished before its reading is tested."""
    assert set(READ) == set(settings.describe().values())


def test_a_setting_is_read_from_its_variable() -> None:
    """GATEWAY_X becomes the field x, in its own type."""
    environ = {variable(field): text for field, (text, _) in READ.items()}
    chosen = vars(settings.read(environ).settings)
    assert chosen == {field: value for field, (_, value) in READ.items()}


def test_a_setting_is_read_from_a_file(tmp_path: Path) -> None:
    """GATEWAY_X_FILE names a file that may end in a line end, as files do."""
    for field, (text, _) in READ.items():
        (tmp_path / field).write_text(f"\n  {text}\n\n")
    environ = {f"{variable(field)}_FILE": f"{tmp_path}/{field}" for field in READ}
    chosen = vars(settings.read(environ).settings)
    assert chosen == {field: value for field, (_, value) in READ.items()}


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        pytest.param("https://a.example", "", id="none"),
        pytest.param("https://a.example/", "", id="a slash"),
        pytest.param("https://a.example/media", "/media", id="one segment"),
        pytest.param("https://a.example/media/", "/media", id="with a slash"),
        pytest.param("http://[::1]:81/v1.2/Me-di_a~", "/v1.2/Me-di_a~", id="two"),
        pytest.param("https://a.example/intranet/files", "/intranet/files", id="below"),
        pytest.param("https://a.example/sdl", "/sdl", id="several letters"),
    ],
)
def test_the_public_url_may_have_a_path(url: str, prefix: str) -> None:
    """All paths of the gateway begin with it."""
    chosen = settings.read({"GATEWAY_PUBLIC_URL": url}).settings
    assert chosen.public_url == url.rstrip("/")
    assert chosen.path_prefix == prefix


def test_an_empty_variable_is_not_set() -> None:
    """Compose passes on every variable, most of them empty."""
    names = [variable(field) for field in READ]
    empty = dict.fromkeys([*names, *(f"{name}_FILE" for name in names)], "")
    assert settings.read(empty).settings == settings.read({}).settings


def test_an_empty_file_is_not_set(tmp_path: Path) -> None:
    """A secret that is left blank is as good as none."""
    file = tmp_path / "empty"
    file.write_text(" \n")
    environ = {f"{variable(field)}_FILE": str(file) for field in READ}
    assert settings.read(environ).settings == settings.read({}).settings


def test_a_setting_given_twice_is_a_fault(tmp_path: Path) -> None:
    """Which of two would win is nothing to guess at."""
    (tmp_path / "value").write_text("1")
    names = [variable(field) for field in READ]
    files = {f"{name}_FILE": f"{tmp_path}/value" for name in names}
    told = faults({**dict.fromkeys(names, "1"), **files})
    assert sorted(told) == sorted(
        f"{name}: set it or {name}_FILE, not both" for name in names
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda _: None, "No such file or directory", id="missing"),
        pytest.param(lambda path: path.mkdir(), "Is a directory", id="a-folder"),
        pytest.param(
            lambda path: path.write_bytes(b"\xff"), "is not UTF-8 text", id="not-utf-8"
        ),
    ],
)
def test_a_file_that_can_not_be_read_is_a_fault(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    """The operator hears which file, for which variable, and why."""
    file = tmp_path / "value"
    make(file)
    assert faults({"GATEWAY_KEYS_FILE": str(file)}, "keys") == [
        f"GATEWAY_KEYS_FILE: {file}: {reason}"
    ]


LONG = "/" + "a" * 300
FAULTS = [
    pytest.param(
        "keys", "", "is not set; make a key with: gateway keys new", id="keys-missing"
    ),
    pytest.param("keys", ",\n", "there is no key", id="keys-blank"),
    pytest.param("keys", SECRET, "key 1 is not of the form id:secret", id="keys-bare"),
    pytest.param(
        "keys",
        f"k:{EXAMPLE}",
        "key 1: its secret is an example; generate one with: gateway keys new",
        id="keys-example",
    ),
    pytest.param(
        "files",
        "",
        "is not set; set it to the folder whose files are served",
        id="files-missing",
    ),
    pytest.param("files", "/nowhere", "/nowhere is not a folder", id="files-nowhere"),
    *(
        pytest.param(
            "authorize",
            url,
            "must be like http://127.0.0.1:5000/may-read",
            id=f"authorize-{what}",
        )
        for what, url in {
            "scheme": "ftp://site/may-read",
            "query": "http://site/may-read?x=1",
            "credentials": "http://user:password@site/",
            "blank": "http://site/may read",
            "variable": "http://site/$host",
            "quote": 'http://site/"',
            "relative": "/may-read",
        }.items()
    ),
    pytest.param("authorize", "http://site:0", "has the port 0", id="authorize-port-0"),
    *(
        pytest.param(
            "authorize",
            url,
            "needs a host name: nginx can't verify an IP address",
            id=f"authorize-{what}",
        )
        for what, url in {
            "https-to-ipv4": "https://10.0.0.1/",
            "https-to-ipv6": "https://[::1]/",
        }.items()
    ),
    *(
        pytest.param(
            "authorize_by",
            text,
            f"{text!r} is not of the form cookie:sessionid or header:X-Api-Key",
            id=f"authorize-by-{text}",
        )
        for text in ("session", "cookie:", "cookie:a=b", "query:key", "header:")
    ),
    pytest.param(
        "authorize_by",
        "header:X_Key",
        "'header:X_Key' names a header that nginx has no variable for; use letters, "
        "digits and hyphens",
        id="authorize-by-underscore",
    ),
    pytest.param(
        "files", "/dev/null", "/dev/null is not a folder", id="files-no-folder"
    ),
    pytest.param(
        "files", LONG, f"{LONG} is not a folder", id="files-longer-than-a-name"
    ),
    pytest.param("files", "/srv/\udcff", "is not UTF-8 text", id="files-not-utf-8"),
    *(
        pytest.param(
            "database",
            text,
            "must be like postgresql+psycopg://gateway@db/gateway or "
            "sqlite:////srv/catalog.sqlite3",
            id=f"database-{name}",
        )
        for name, text in {
            "bare": "gateway:a password",
            "short": "postgres://gateway:a%20password@db/gateway",
            "driver": "postgresql://gateway:a%20password@db/gateway",
            "port": "postgresql+psycopg://gateway:a%20password@db:x/gateway",
            "other": "mysql://gateway:a%20password@db/gateway",
            "memory": "sqlite:///",
        }.items()
    ),
    *(
        pytest.param(
            "database",
            f"postgresql+psycopg://db/gateway?prepare_threshold={text}",
            "prepare_threshold must be a whole number",
            id=f"database-prepared-{name}",
        )
        for name, text in {
            "word": "often",
            "negative": "-1",
            "twice": "5&prepare_threshold=5",
        }.items()
    ),
    pytest.param(
        "public_url",
        "",
        "is not set; set it to the gateway's address, as in https://files.example.com",
        id="public-url-missing",
    ),
    pytest.param(
        "public_url",
        "files.example.com",
        "must be like https://files.example.com or https://www.example.com/media",
        id="public-url-bare",
    ),
    pytest.param(
        "public_url",
        "ftp://a.example",
        "must be like https://files.example.com or https://www.example.com/media",
        id="public-url-ftp",
    ),
    pytest.param(
        "public_url",
        "https://",
        "must be like https://files.example.com or https://www.example.com/media",
        id="public-url-hostless",
    ),
    pytest.param(
        "public_url",
        "https://a.example?x",
        "must have no query, no fragment and no user name",
        id="public-url-query",
    ),
    pytest.param(
        "public_url",
        "https://a.example/media#x",
        "must have no query, no fragment and no user name",
        id="public-url-fragment",
    ),
    pytest.param(
        "public_url",
        "https://me@a.example",
        "must have no query, no fragment and no user name",
        id="public-url-user",
    ),
    *(
        pytest.param(
            "public_url",
            f"https://a.example{path}",
            f"has the path {path!r}: each segment must begin with a letter or digit, "
            "and consist of letters, digits, dots, '_', '~' and '-'",
            id=f"public-url-path-{name}",
        )
        for name, path in {
            "dot": "/./media",
            "dots": "/media/..",
            "hidden": "/.media",
            "internal": "/_media",
            "internal-below": "/media/_files",
            "empty-first": "//media",
            "empty-between": "/media//files",
            "encoded": "/%6dedia",
            "blank": "/me dia",
            "nginx-syntax": "/media;",
            "variable": "/$media",
            "unicode": "/m\u00e9dia",
        }.items()
    ),
    pytest.param(
        "public_url",
        f"https://a.example/{'a' * 100}",
        "its path has more than 100 characters",
        id="public-url-path-long",
    ),
    *(
        pytest.param(
            "public_url",
            f"https://a.example{path}",
            f"has the path {path!r}, but {segment!r} is a part of the gateway's own "
            "paths: choose another path",
            id=f"public-url-path-{segment}",
        )
        for path, segment in {
            "/s": "s",
            "/L": "L",
            "/files": "files",
            "/Api/v1": "Api",
            "/tus": "tus",
            "/healthz": "healthz",
            "/metrics": "metrics",
            "/upload": "upload",
            "/login/media": "login",
            "/static": "static",
            # A token would be looked for behind it.
            "/media/d": "d",
            "/media/U/files": "U",
        }.items()
    ),
    pytest.param(
        "public_url",
        "https://a.example/me\tdia",
        "has characters that are not allowed in a host name",
        id="public-url-path-tab",
    ),
    pytest.param(
        "public_url",
        "https://a.example:99999",
        "Port out of range 0-65535",
        id="public-url-port",
    ),
    pytest.param(
        "public_url",
        "https://a.example?",
        "has characters that are not allowed in a host name",
        id="public-url-empty-query",
    ),
    pytest.param(
        "public_url",
        "https://a.example:",
        "has characters that are not allowed in a host name",
        id="public-url-empty-port",
    ),
    pytest.param(
        "public_url",
        "https://*.example",
        "has characters that are not allowed in a host name",
        id="public-url-wildcard",
    ),
    pytest.param(
        "public_url",
        "https://a;b",
        "has characters that are not allowed in a host name",
        id="public-url-nginx-syntax",
    ),
    pytest.param(
        "name",
        "two\nlines",
        "must be one line of at most 60 characters",
        id="name-of-two-lines",
    ),
    pytest.param(
        "name",
        "x" * 61,
        "must be one line of at most 60 characters",
        id="name-too-long",
    ),
    pytest.param(
        "color",
        "red;}",
        "'red;}' is not of the form #2457c5",
        id="color-of-more-than-a-colour",
    ),
    pytest.param(
        "database_direct",
        "sqlite:////srv/catalog.sqlite3",
        "must be like postgresql+psycopg://gateway@db/gateway",
        id="direct-file",
    ),
    pytest.param(
        "replica", "../r1", "'../r1' is not of the form r1", id="replica-with-a-slash"
    ),
    pytest.param(
        "replica",
        "r" * 25,
        f"'{'r' * 25}' is not of the form r1",
        id="replica-too-long",
    ),
    pytest.param(
        "logo",
        "//evil.example/logo.svg",
        "'//evil.example/logo.svg' is not of the form /logo.svg",
        id="logo-of-another-site",
    ),
    pytest.param(
        "logo",
        "logo.svg",
        "'logo.svg' is not of the form /logo.svg",
        id="logo-without-a-slash",
    ),
    pytest.param(
        "hosts",
        "https://a.example",
        "'https://a.example' is not of the form files.example.com",
        id="hosts-url",
    ),
    pytest.param(
        "hosts",
        "ok.example a;b",
        "'a;b' is not of the form files.example.com",
        id="hosts-nginx-syntax",
    ),
    pytest.param(
        "hosts",
        "a.*",
        "'a.*' is not of the form files.example.com",
        id="hosts-wildcard-at-the-end",
    ),
    pytest.param(
        "trusted_proxies",
        "10.0.0.1/8",
        "10.0.0.1/8 has host bits set",
        id="proxies-host-bits",
    ),
    pytest.param(
        "trusted_proxies",
        "proxy",
        "'proxy' does not appear to be an IPv4 or IPv6 network",
        id="proxies-name",
    ),
    pytest.param(
        "trusted_proxies",
        "10.0.0.0/255.0.0.0",
        "'10.0.0.0/255.0.0.0' is not of the form 10.0.0.0/8",
        id="proxies-mask",
    ),
    pytest.param(
        "trusted_proxies",
        "fe80::1%x;y",
        "'fe80::1%x;y' is not of the form 10.0.0.0/8",
        id="proxies-zone",
    ),
    pytest.param(
        "cors_origins",
        "*",
        "'*' is not of the form https://www.example.com",
        id="origins-any",
    ),
    pytest.param(
        "cors_origins",
        "https://a.example/",
        "'https://a.example/' is not of the form https://www.example.com",
        id="origins-slash",
    ),
    pytest.param(
        "inline_types",
        "svg",
        "'svg' is not of the form image/svg+xml",
        id="types-suffix",
    ),
    pytest.param(
        "inline_types",
        "image/*",
        "'image/*' is not of the form image/svg+xml",
        id="types-family",
    ),
    pytest.param(
        "cache_max_age",
        "-1",
        "Input should be greater than or equal to 0",
        id="cache-below",
    ),
    pytest.param(
        "cache_max_age",
        "31536001",
        "Input should be less than or equal to 31536000",
        id="cache-above",
    ),
    pytest.param(
        "shared_max_age",
        "366d",
        "Input should be less than or equal to 31536000",
        id="shared-above",
    ),
    pytest.param(
        "workers",
        "-1",
        "Input should be greater than or equal to 0",
        id="workers-below",
    ),
    pytest.param(
        "pool",
        "",
        "is not set; set it to verdicts or app, the pool of this gunicorn",
        id="pool-missing",
    ),
    pytest.param(
        "pool", "web", "Input should be 'verdicts' or 'app'", id="pool-unknown"
    ),
    pytest.param(
        "app_threads",
        "0",
        "Input should be greater than or equal to 1",
        id="threads-below",
    ),
    pytest.param(
        "workers",
        "257",
        "Input should be less than or equal to 256",
        id="workers-above",
    ),
    pytest.param(
        "grace", "0", "Input should be greater than or equal to 1", id="grace-below"
    ),
    pytest.param(
        "grace", "3601", "Input should be less than or equal to 3600", id="grace-above"
    ),
    pytest.param(
        "client_connections",
        "0",
        "Input should be greater than or equal to 1",
        id="connections-below",
    ),
    pytest.param(
        "client_connections",
        "100001",
        "Input should be less than or equal to 100000",
        id="connections-above",
    ),
    pytest.param(
        "verdict_ttl",
        "-1",
        "Input should be greater than or equal to 0",
        id="verdicts-below",
    ),
    pytest.param(
        "verdict_ttl",
        "61",
        "Input should be less than or equal to 60",
        id="verdicts-above",
    ),
    pytest.param(
        "client_requests",
        "0",
        "Input should be greater than or equal to 1",
        id="requests-below",
    ),
    pytest.param(
        "client_requests",
        "1000001",
        "Input should be less than or equal to 1000000",
        id="requests-above",
    ),
    *(
        pytest.param(field, text, fault, id=f"{field}-{name}")
        for field, fault in {
            "workers": "must be a whole number",
            "quota": "must be bytes, or a size like 500M or 10G",
            "grace": "must be seconds, or a duration like 90m or 7d",
        }.items()
        for text, name in {
            "5.0": "with-point",
            "1_0": "with-underscore",
            " 7": "with-blank",
            "\u0667": "in-arabic-digits",
            "7y": "with-unknown-unit",
            "-7d": "negative-with-unit",
        }.items()
    ),
    pytest.param(
        "workers", "3K", "must be a whole number", id="number-with-a-size-s-unit"
    ),
    pytest.param(
        "quota",
        "999999999999999T",
        "'999999999999999T' is more than the maximum, 2^63 - 1 bytes",
        id="size-past-every-disk",
    ),
    pytest.param(
        "quota",
        str(2**63),
        "is more than the maximum, 2^63 - 1 bytes",
        id="bytes-past-every-disk",
    ),
    pytest.param(
        "retention",
        "5300w",
        "is more than 100 years",
        id="duration-past-100-years",
    ),
    pytest.param(
        "retention",
        "999999999w",
        "'999999999w' is too long",
        id="duration-past-all-time",
    ),
    pytest.param(
        "mail_url",
        "",
        "is not set; set it to your mail relay, as in "
        "smtp://user:password@relay.example.com:587",
        id="mail-url-missing",
    ),
    pytest.param(
        "mail_url",
        "relay.example",
        "must be like smtp://user:password@host:587 or smtps://user:password@host:465",
        id="mail-url-bare",
    ),
    pytest.param(
        "mail_from",
        "",
        "is not set; set it to the sender of mails, as in Files <files@example.com>",
        id="mail-from-missing",
    ),
    pytest.param(
        "mail_from",
        "Files",
        "An email address must have an @-sign.",
        id="mail-from-bare",
    ),
    pytest.param(
        "session_life",
        "59s",
        "Input should be greater than or equal to 60",
        id="duration-below",
    ),
]

#: Every setting that is an amount of bytes, or of time.
SIZES = ["free_space", "quota", "upload_size", "user_quota"]
DURATIONS = [
    "cache_max_age",
    "grace",
    "lease_life",
    "retention",
    "session_life",
    "shared_max_age",
    "tus_expiry",
    "verdict_ttl",
]


@pytest.mark.parametrize("field", SIZES)
@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("5", 5, id="bytes"),
        pytest.param("500M", 500 * 2**20, id="unit"),
        pytest.param("2gib", 2 * 2**30, id="small-letters"),
        pytest.param(str(2**63 - 1), 2**63 - 1, id="most"),
    ],
)
def test_a_size_is_read_as_the_commands_read_it(
    field: str, text: str, count: int
) -> None:
    assert setting(field, text) == count


@pytest.mark.parametrize("field", DURATIONS)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("60", 60, id="seconds"),
        pytest.param("1m", 60, id="unit"),
        pytest.param("30s30s", 60, id="several"),
    ],
)
def test_a_duration_is_read_as_the_commands_read_it(
    field: str, text: str, seconds: int
) -> None:
    assert setting(field, text) == seconds


@pytest.mark.parametrize(("field", "text", "fault"), FAULTS)
def test_a_faulty_setting_is_told_by_its_variable(
    field: str, text: str, fault: str
) -> None:
    """One fault gives one line: the variable, and what is wrong with it."""
    name = variable(field)
    assert faults({name: text}, field) == [f"{name}: {fault}"]


def test_a_number_of_too_many_digits_is_one_fault() -> None:
    """Python refuses to count that far; the operator hears it all the same."""
    [fault] = faults({"GATEWAY_GRACE": "9" * 5000})
    assert fault.startswith("GATEWAY_GRACE: ")


NGINX_SYNTAX = "\0 \t\n;{}$#'\"\\"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"GATEWAY_{name}", id=name.lower())
        for name in ("DATA", "RUN", "STORE", "VERDICT_CACHE")
    ],
)
def test_a_path_that_nginx_would_misread_is_a_fault(name: str) -> None:
    """Paths are written into nginx's configuration, where these end a word."""
    told = {c: faults({name: f"/srv/a{c}b"}) for c in NGINX_SYNTAX}
    fault = f"{name}: must not contain blanks, quotes or ;{{}}$#, because of nginx"
    assert told == {c: [fault] for c in NGINX_SYNTAX}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Make a served folder, a folder beside it, and a secret in each."""
    for name in ("files/sub", "beside"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("files/hosts", "beside/hosts"):
        (tmp_path / name).write_text("a.example")
    (tmp_path / "link").symlink_to("files/sub")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("GATEWAY_DATA", "files/var", id="data"),
        pytest.param("GATEWAY_DATA", "files", id="data-itself"),
        pytest.param("GATEWAY_DATA", "beside/../files/x/y", id="data-roundabout"),
        pytest.param("GATEWAY_DATA", "link/var", id="data-through-a-link"),
        pytest.param("GATEWAY_RUN", "files/run", id="run"),
        pytest.param("GATEWAY_HOSTS_FILE", "files/hosts", id="secret"),
    ],
)
def test_nothing_of_the_gateways_own_lies_in_what_is_served(
    places: Path, name: str, path: str
) -> None:
    """Its keys would be delivered to whoever has a link to the whole tree."""
    environ = {
        "GATEWAY_FILES": f"{places}/files",
        "GATEWAY_DATA": f"{places}/beside/data",
        name: f"{places}/{path}",
    }
    [fault] = faults(environ)
    assert fault.startswith(f"{name}: {places}/")
    assert fault.endswith(
        " is inside the served folder, GATEWAY_FILES; choose a path outside it"
    )


def test_the_default_data_folder_is_none_of_the_served(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``GATEWAY_FILES=.`` is the shortest way to serve a folder, and a trap."""
    monkeypatch.chdir(places / "files")
    [fault] = faults({"GATEWAY_FILES": "."})
    assert fault.startswith(
        f"GATEWAY_DATA: {places}/files/var is inside the served folder"
    )


def test_what_is_served_does_not_lie_in_the_data_folder(places: Path) -> None:
    """Nothing in there is served, so all would be 404 without a word."""
    environ = {"GATEWAY_FILES": f"{places}/files", "GATEWAY_DATA": str(places)}
    [fault] = faults(environ)
    assert fault == (
        f"GATEWAY_FILES: {places}/files is inside the gateway's own folder, "
        "GATEWAY_DATA, which is never served; choose a path outside it"
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("GATEWAY_DATA", "beside", id="data"),
        pytest.param("GATEWAY_DATA", "files-2", id="data-called-alike"),
        pytest.param("GATEWAY_RUN", "run", id="run"),
        pytest.param("GATEWAY_HOSTS_FILE", "beside/hosts", id="secret"),
    ],
)
def test_what_lies_elsewhere_is_fine(places: Path, name: str, path: str) -> None:
    """The two may be neighbours."""
    environ = {
        "GATEWAY_FILES": f"{places}/files",
        "GATEWAY_DATA": f"{places}/beside/data",
        name: f"{places}/{path}",
    }
    assert str(settings.read(environ).settings.files) == f"{places}/files"


def test_where_things_lie_can_be_left_unlooked_at(places: Path) -> None:
    """A worker must start although a folder is away for the moment."""
    environ = {"GATEWAY_FILES": f"{places}/gone", "GATEWAY_DATA": str(places)}
    assert (
        str(settings.read(environ, check_disk=False).settings.files) == f"{places}/gone"
    )


def test_a_relative_path_is_one_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the directory later still finds the same folder."""
    monkeypatch.chdir(tmp_path)
    assert setting("data", "x/../data/") == tmp_path / "data"


def test_a_symlink_in_a_path_is_kept(tmp_path: Path) -> None:
    """A deployment swaps the link: it must be looked up for each request."""
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to("release")
    path = tmp_path / "current"
    assert setting("files", str(path)) == Places((Place("", path),))


def test_a_socket_of_107_bytes_is_the_longest() -> None:
    """The kernel's bound, of which nginx and gunicorn tell in riddles."""
    longest = "/" + "r" * (106 - len("/verdicts.sock"))
    chosen = settings.read({"GATEWAY_RUN": longest}).settings
    assert len(str(chosen.socket(Pool.VERDICTS))) == 107
    [fault] = faults({"GATEWAY_RUN": f"{longest}r"})
    assert fault.startswith(
        f"GATEWAY_RUN: {longest}r/verdicts.sock is longer than 107 bytes"
    )


def test_a_data_folder_too_deep_for_its_sockets_is_a_fault_of_the_folder() -> None:
    """Nobody set the run folder, so its variable would be the wrong one to name."""
    data = "/" + "d" * 100
    [fault] = faults({"GATEWAY_DATA": data})
    assert fault.startswith(f"GATEWAY_DATA: {data}/run/verdicts.sock is longer than")


def test_a_run_folder_of_its_own_lets_the_data_folder_be_deep() -> None:
    """The way out of the fault above."""
    environ = {"GATEWAY_DATA": "/" + "d" * 100, "GATEWAY_RUN": "/run"}
    assert settings.read(environ).settings.socket(Pool.APP) == Path("/run/app.sock")


@pytest.mark.parametrize("name", ["GATEWAY_SOCKET", "GATEWAY_SOCKET_FILE"])
def test_a_setting_that_is_no_more_is_a_fault_that_names_its_successor(
    name: str,
) -> None:
    """Left in place without a word, it would leave nginx and gunicorn apart."""
    environ = {name: "/run/g.sock"}
    assert faults(environ) == [
        (
            "GATEWAY_SOCKET: this setting was removed; set GATEWAY_RUN to the folder "
            "of both pools' sockets"
        )
    ]
    assert settings.read(environ, only=("token",)).settings.token == ""
    assert settings.read({name: ""}).settings.run


def test_a_relay_needs_a_sender_and_the_address_of_the_links() -> None:
    """Else mails would bring links to 127.0.0.1, where ``serve`` listens."""
    assert faults({"GATEWAY_MAIL_URL": "smtp://relay.example"}) == [
        (
            "GATEWAY_MAIL_FROM: is not set; set it to the sender of mails, as in "
            "Files <files@example.com>"
        ),
        (
            "GATEWAY_PUBLIC_URL: is not set; set it to the gateway's address, as in "
            "https://files.example.com"
        ),
    ]


RING_FAULTS = (
    "key 1: its secret has 20 bytes, the minimum is 32",
    "key 2 is not of the form id:secret",
)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Nobody starts a service five times to hear of five faults."""
    environ = {
        "GATEWAY_KEYS": f"a:{SHORT}",
        "GATEWAY_HOSTS_FILE": str(tmp_path / "hosts"),
        "GATEWAY_WORKERS": "many",
        "GATEWAY_GRACE": "0",
        "GATEWAY_DATA": "/a b",
    }
    told = faults(environ, "keys", "files", "hosts")
    assert sorted(told) == [
        "GATEWAY_DATA: must not contain blanks, quotes or ;{}$#, because of nginx",
        "GATEWAY_FILES: is not set; set it to the folder whose files are served",
        "GATEWAY_GRACE: Input should be greater than or equal to 1",
        f"GATEWAY_HOSTS_FILE: {tmp_path}/hosts: No such file or directory",
        "GATEWAY_KEYS: key 1: its secret has 20 bytes, the minimum is 32",
        "GATEWAY_WORKERS: must be a whole number",
    ]


def test_all_faults_of_a_ring_are_told_at_once() -> None:
    """They stand in one line, since they are one variable's."""
    assert faults({"GATEWAY_KEYS": f"a:{SHORT},b"}) == [
        f"GATEWAY_KEYS: {'; '.join(RING_FAULTS)}"
    ]


def test_the_error_says_all_of_its_faults() -> None:
    """Where only the error's text is shown, nothing is lost."""
    error = SettingsError(["one", "two"])
    assert str(error) == "one; two"


def test_only_the_asked_for_settings_are_looked_at() -> None:
    """Making a key needs the data folder, and no fit files folder."""
    environ = {"GATEWAY_DATA": "/srv/d", "GATEWAY_FILES": "/nowhere"}
    chosen = settings.read(environ, only=("data",)).settings
    assert (chosen.data, chosen.files) == (Path("/srv/d"), None)


def test_settings_can_not_be_changed() -> None:
    """What was checked stays what it was."""
    chosen = settings.read({}).settings
    with pytest.raises(ValueError, match="frozen"):
        chosen.grace = 5


def embedded(data: Path, **environ: str) -> settings.Reading:
    """Read the settings as ``gateway serve`` does, with this data folder."""
    return settings.read(
        {"GATEWAY_DATA": str(data), **environ}, required=("keys",), embedded=True
    )


def test_keys_set_nowhere_come_from_the_data_folder(tmp_path: Path) -> None:
    """What ``gateway serve`` made once is good for every command."""
    (tmp_path / "keys").write_text(f"{KEYS}\n")
    reading = embedded(tmp_path)
    assert reading.settings.keys == KeyRing((Key("k1", SECRET),))
    assert reading.settings.embedded_keys == tmp_path / "keys"


def test_the_secret_may_come_from_the_data_folder(tmp_path: Path) -> None:
    """As the keys do, and for the same commands."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    own = {"GATEWAY_DATA": str(tmp_path)}
    found = settings.read(own, embedded=True).settings
    assert found.secret == ServerSecret((SECRET,))
    assert settings.read(own).settings.secret is None
    other = {**own, "GATEWAY_SECRET": f"{SECRET}x"}
    set_too = settings.read(other, embedded=True).settings
    assert set_too.secret == ServerSecret((f"{SECRET}x",))


def test_keys_that_are_set_win_over_the_data_folder(tmp_path: Path) -> None:
    """The environment is the operator's last word."""
    (tmp_path / "keys").write_text("rubbish")
    reading = embedded(tmp_path, GATEWAY_KEYS=KEYS)
    assert reading.settings.keys == KeyRing((Key("k1", SECRET),))


def test_the_data_folders_keys_are_for_embedded_use_alone(tmp_path: Path) -> None:
    """A server that was given no keys does not start with some it finds."""
    (tmp_path / "keys").write_text(KEYS)
    assert settings.read({"GATEWAY_DATA": str(tmp_path)}).settings.keys is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "there is no key", id="empty"),
        pytest.param(b"k:\xff", "{}/keys: is not UTF-8 text", id="not-utf-8"),
    ],
)
def test_a_damaged_key_file_is_a_fault(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    """It is reported like any other, and never replaced without a word."""
    (tmp_path / "keys").write_bytes(content)
    told = faults({"GATEWAY_DATA": str(tmp_path)}, "keys", embedded=True)
    assert told == [f"GATEWAY_KEYS: {fault.format(tmp_path)}"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, False, id="unset"),
        pytest.param({"GATEWAY_KEYS": ""}, False, id="empty"),
        pytest.param({"GATEWAY_KEYS": "unfit"}, True, id="variable"),
        pytest.param({"GATEWAY_KEYS_FILE": "/nowhere"}, True, id="file"),
        pytest.param({"GATEWAY_KEYS_FILE": "/dev/null"}, False, id="empty-file"),
    ],
)
def test_keys_are_set_be_they_fit_or_not(
    environ: dict[str, str],
    expected: bool,  # noqa: FBT001 -- the table's second column
) -> None:
    """``keys new`` must not add to a ring that is not in use."""
    assert environment.has("keys", environ) is expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("GATEWAY_WORKRS", "GATEWAY_WORKERS", id="letter-missing"),
        pytest.param("GATEWAY_KEY", "GATEWAY_KEYS", id="singular"),
        pytest.param("GATEWAY_KEYS_FLIE", "GATEWAY_KEYS_FILE", id="file-form"),
        pytest.param("GATEWAY_PUBLICURL", "GATEWAY_PUBLIC_URL", id="run-together"),
    ],
)
def test_a_near_miss_is_warned_of(name: str, meant: str) -> None:
    """It is ignored all the same, as the warning says."""
    reading = settings.read({name: "5"})
    assert reading.warnings == (f"{name} is not a setting; did you mean {meant}?",)
    assert reading.settings == settings.read({}).settings


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("GATEWAY_SERVICE_HOST", id="kubernetes-host"),
        pytest.param("GATEWAY_", id="prefix-alone"),
        pytest.param("WORKERS", id="no-prefix"),
        pytest.param("gateway_workers", id="lower-case"),
    ],
)
def test_an_orchestrators_variable_is_ignored_without_a_word(name: str) -> None:
    """Kubernetes sets such variables beside a service of this name."""
    reading = settings.read({name: ""})
    assert reading.warnings == ()
    assert reading.settings == settings.read({}).settings


def test_warnings_come_in_the_order_of_names() -> None:
    """Two starts with one environment say the same."""
    warnings = settings.read({"GATEWAY_WORKRS": "", "GATEWAY_GRAC": ""}).warnings
    assert [text.split()[0] for text in warnings] == ["GATEWAY_GRAC", "GATEWAY_WORKRS"]


def test_what_was_read_can_be_read_again(tmp_path: Path) -> None:
    """Workers get the texts that the master read, not the files they came from."""
    file = tmp_path / "keys"
    file.write_text(KEYS)
    first = settings.read({"GATEWAY_KEYS_FILE": str(file), "GATEWAY_GRACE": "7"})
    file.unlink()
    again = settings.read(first.environment)
    assert again.settings == first.settings
    assert again.environment == first.environment


def test_what_was_read_stands_for_every_variable() -> None:
    """One that is unset by then is handed on as empty, its file form too."""
    names = set(settings.describe())
    environment = settings.read({}).environment
    files = {f"{name}_FILE" for name in names}
    assert set(environment) == {*names, *files, "GATEWAY_SNAPSHOT"}


def test_the_processs_environment_is_read_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_GRACE", "77")
    monkeypatch.setenv("GATEWAY_KEYS", "x")
    assert environment.has("keys")
    assert settings.read(only=("grace",)).settings.grace == 77


# what the children of `gateway serve` read


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Snapshot]:
    """Return the snapshot of what was read from two files that are gone since."""
    (tmp_path / "files").mkdir()
    (tmp_path / "keys").write_text(KEYS)
    first = settings.read(
        {
            "GATEWAY_FILES": str(tmp_path / "files"),
            "GATEWAY_GRACE": "7",
            "GATEWAY_KEYS_FILE": str(tmp_path / "keys"),
        }
    )
    (tmp_path / "keys").unlink()
    (tmp_path / "files").rmdir()
    snapshot = Snapshot()
    snapshot.replace(first.environment)
    yield snapshot
    os.close(snapshot.descriptor)


def test_a_child_reads_what_was_read_and_looks_at_nothing_again(
    taken: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its siblings may do so a moment later, when a file has been replaced."""
    monkeypatch.setenv("GATEWAY_GRACE", "soon")
    monkeypatch.setenv("GATEWAY_KEYS_FILE", "/nonexistent")
    child = environment.child_environment(taken)
    reading = settings.read(child, required=("files", "keys"), embedded=True)
    assert (reading.settings.grace, str(reading.settings.keys)) == (7, KEYS)
    assert settings.read(reading.environment, check_disk=False) == reading


def test_a_child_has_no_setting_in_its_environment_but_those_of_its_own(
    taken: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEYS", KEYS)
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "/x")
    monkeypatch.setenv("GATEWAY_SERVICE_HOST", "10.0.0.1")
    child = environment.child_environment(taken, GATEWAY_WORKERS="3", EXTRA="1")
    assert settings.read(child).settings.workers == 3
    assert child["EXTRA"] == "1"
    assert {name for name in child if name.startswith("GATEWAY_")} == {
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_SNAPSHOT",
        "GATEWAY_WORKERS",
    }


def test_only_the_parent_warns(
    taken: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_WORKRS", "3")
    assert settings.read().warnings
    assert not settings.read(environment.child_environment(taken)).warnings


def test_no_secret_stands_in_what_was_read() -> None:
    """Settings end up in logs and tracebacks; the key's id may, its secret not."""
    reading = settings.read(
        {
            "GATEWAY_KEYS": KEYS,
            "GATEWAY_DATABASE": f"postgresql+psycopg://gw:{SECRET}@db/gw",
            "GATEWAY_TOKEN": SECRET,
        }
    )
    shown = f"{reading!r} {reading!s} {reading.settings!r} {reading.settings!s}"
    assert "k1" in shown
    assert SECRET not in shown


#: Each holds the password, rightly or wrongly encoded.
LEAKY_RELAYS = [
    pytest.param("smtp://me:TheSecret@relay.example", id="good"),
    pytest.param("smtp://me:TheSecret/x@relay.example", id="slash"),
    pytest.param("smtp://me:x/TheSecret@relay.example:587", id="after-a-slash"),
    pytest.param("smtp://me:x#TheSecret@relay.example", id="hash"),
    pytest.param("smtp://me:x?TheSecret@relay.example", id="question-mark"),
    pytest.param("smtp://me:x@TheSecret@relay.example:587", id="two-ats"),
    pytest.param("smtp://me:[TheSecret]@relay.example", id="brackets"),
    pytest.param("smtp://me:%FFTheSecret@relay.example", id="not-utf-8"),
    pytest.param("smtp://me:The Secret TheSecret@relay.example", id="blank"),
    pytest.param("smtp://TheSecret@relay.example", id="alone"),
    pytest.param("smtp://relay.example:TheSecret", id="as-port"),
    pytest.param("http://me:TheSecret@relay.example", id="other-scheme"),
    pytest.param("smtp://me:TheSecret@relay_example", id="bad-host"),
    pytest.param("smtp://me:TheSecret@relay.example?tls=none", id="far-away"),
]


@pytest.mark.parametrize("text", LEAKY_RELAYS)
def test_no_password_of_the_relay_is_shown(text: str) -> None:
    """Settings, and faults of them, end up in logs."""
    environ = {"GATEWAY_MAIL_URL": text, "GATEWAY_MAIL_FROM": "files@example.com"}
    try:
        shown = repr(settings.read(environ))
    except SettingsError as error:
        shown = "".join(traceback.format_exception(error))
    assert "TheSecret" not in shown


LEAKY = [
    pytest.param(SECRET, id="bare-secret"),
    pytest.param(f"bad id!:{SECRET}", id="bad-id"),
    pytest.param(f"k:{SHORT}", id="short"),
    pytest.param(f"k:{SECRET},k:{SECRET}", id="repeated"),
    pytest.param(f"k:{SECRET} k2:{SHORT}", id="good-and-short"),
    pytest.param(f"{SECRET}:k1,{SECRET}:k2", id="turned-round"),
]


@pytest.mark.parametrize("text", LEAKY)
def test_no_secret_stands_in_a_fault(text: str) -> None:
    """A mistyped ring is reported to a log that others read."""
    with pytest.raises(SettingsError) as caught:
        settings.read({"GATEWAY_KEYS": text})
    shown = [str(caught.value), repr(caught.value)]
    shown += traceback.format_exception(caught.value)
    assert "key" in shown[0]
    assert "TheSecret" not in "".join(shown)


def test_no_secret_of_a_file_stands_in_a_fault(tmp_path: Path) -> None:
    """Another fault beside it brings none of it out either."""
    file = tmp_path / "keys"
    file.write_text(SECRET)
    told = faults({"GATEWAY_KEYS_FILE": str(file), "GATEWAY_GRACE": "0"})
    assert len(told) == 2
    assert "TheSecret" not in "".join(told)


@given(
    st.dictionaries(
        st.sampled_from([*settings.describe()]),
        st.text(st.characters(exclude_categories=(), exclude_characters="\x00")),
    )
)
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_environment_is_read_or_refused_in_words(environ: dict[str, str]) -> None:
    """No text of a variable ends the start with a traceback."""
    assert all(line.startswith("GATEWAY_") for line in faults_or_none(environ))


def faults_or_none(environ: dict[str, str]) -> list[str]:
    """Return the faults of *environ*, if it has any."""
    try:
        settings.read(environ)
    except SettingsError as error:
        return error.faults
    return []


def test_the_valid_settings_are_read_beside_invalid_ones(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a:short")
    environ = {
        "GATEWAY_DATA": str(tmp_path),
        "GATEWAY_GRACE": "soon",
        "GATEWAY_HSTS": "1d",
        "GATEWAY_NAME_FILE": "/nowhere",
    }
    reading, faults = settings.read_valid(environ)
    assert [fault.partition(":")[0] for fault in faults] == [
        "GATEWAY_NAME_FILE",
        "GATEWAY_KEYS",
        "GATEWAY_GRACE",
    ]
    assert (reading.settings.data, reading.settings.hsts) == (tmp_path, 86_400)
    assert (reading.settings.keys, reading.settings.grace) == (None, 30)


def test_the_files_that_settings_come_from_are_known(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(str(KeyRing((Key.generate(),))))
    (tmp_path / "secret").touch()
    (tmp_path / "name").write_text("Files")
    environ = {
        "GATEWAY_DATA": str(tmp_path),
        "GATEWAY_NAME_FILE": str(tmp_path / "name"),
        "GATEWAY_SECRET": str(ServerSecret.generate()),
    }
    current = settings.read(environ, embedded=True).settings
    assert environment.sources(current, environ) == {
        "keys": tmp_path / "keys",
        "name": tmp_path / "name",
    }
