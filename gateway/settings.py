"""The settings: environment variables, read here and nowhere else.

Every ``GATEWAY_X`` may also be given as ``GATEWAY_X_FILE``, the path of a file
that holds the value.  ``docs/settings.md`` is this module for operators.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from gateway.errors import KeyRingError, SettingsError
from gateway.links.keyring import KeyRing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PREFIX: Final = "GATEWAY_"
_FILE_SUFFIX: Final = "_FILE"
_MAXIMUM_SOCKET_PATH: Final = 107  # unix(7): sun_path without its NUL
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
# What would end an nginx directive or start a variable in a rendered path.
_NGINX_SYNTAX = re.compile(r"[\s\"'\\;{}$#]")


def _ring(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return KeyRing.parse(text)
    except KeyRingError as error:
        raise ValueError("; ".join(error.faults)) from None


def _words(text: object) -> object:
    return re.findall(r"[^,\s]+", text) if isinstance(text, str) else text


def _each(pattern: re.Pattern[str], example: str) -> AfterValidator:
    def check(words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not pattern.fullmatch(word):
                raise ValueError(f"{word!r} is not of the form {example}")
        return words

    return AfterValidator(check)


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        ip_network(word)
    return words


def _public_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be like https://files.example.com")
    if parts.path.rstrip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must name a host alone: the gateway owns all of its paths")
    if not _HOST.fullmatch(f"[{h}]" if ":" in (h := parts.hostname) else h):
        raise ValueError("its host has characters that no host name has")
    _ = parts.port  # raises ValueError when it is no port
    return url.rstrip("/")


def _plain_path(path: Path) -> Path:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 -- keep symlinks unresolved
    if _NGINX_SYNTAX.search(str(absolute)):
        raise ValueError("nginx can't be told of a path with blanks, quotes or ;{}$#")
    return absolute


def _folder(path: Path) -> Path:
    path = _plain_path(path)
    if not path.is_dir():
        raise ValueError(f"{path} is no folder")
    return path


def _socket(path: Path) -> Path:
    path = _plain_path(path)
    if len(os.fsencode(path)) > _MAXIMUM_SOCKET_PATH:
        raise ValueError(
            f"{path} is longer than the {_MAXIMUM_SOCKET_PATH} bytes that a unix "
            "socket's path may have"
        )
    return path


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
PlainPath = Annotated[Path, AfterValidator(_plain_path)]


class Settings(BaseModel):
    """All settings, checked.  A field ``x`` is the variable ``GATEWAY_X``."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    keys: Annotated[KeyRing | None, BeforeValidator(_ring)] = None
    """Signing keys, ``id:secret,id:secret``, newest first."""
    files: Annotated[Path, AfterValidator(_folder)] | None = None
    """The folder of files that signed URLs lead to."""
    data: PlainPath = Field(default=Path("var"), validate_default=True)
    """The gateway's own folder: key, socket, rendered configuration."""
    socket: Annotated[Path, AfterValidator(_socket)] | None = None
    """Where gunicorn listens and nginx asks; default ``<data>/run/gunicorn.sock``."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """The address that people use, as in ``https://files.example.com``."""
    hosts: Annotated[Words, _each(_HOST, "files.example.com")] = ()
    """Further host names that are answered; ``*`` answers any."""
    trusted_proxies: Annotated[Words, AfterValidator(_networks)] = ()
    """Networks of the proxies and CDNs whose X-Forwarded-For is believed."""
    cors_origins: Annotated[Words, _each(_ORIGIN, "https://www.example.com")] = ()
    """Origins whose scripts may read deliveries."""
    inline_types: Annotated[Words, _each(_MEDIA_TYPE, "image/svg+xml")] = ()
    """Media types shown in the browser although they can run script."""
    cache_max_age: int = Field(default=86_400, ge=0, le=31_536_000)
    """Seconds that a client may keep a delivery, at most."""
    workers: int = Field(default=0, ge=0, le=256)
    """gunicorn's worker processes; 0 is two for each core and one more."""
    grace: int = Field(default=30, ge=1, le=3600)
    """Seconds that running requests get to finish when the gateway stops."""
    client_connections: int = Field(default=100, ge=1, le=100_000)
    """Requests of one client at a time."""
    client_requests: int = Field(default=200, ge=1, le=1_000_000)
    """Deliveries a second to one client."""
    client_refusals: int = Field(default=10, ge=1, le=1_000_000)
    """Refusals a second to one client."""

    def model_post_init(self, _context: object, /) -> None:
        """Derive the socket's path from the data folder."""
        if self.socket is None:
            path = _socket(self.data / "run" / "gunicorn.sock")
            object.__setattr__(self, "socket", path)

    @property
    def embedded_keys(self) -> Path:
        """The key file that ``gateway serve`` makes."""
        return self.data / "keys"


def describe() -> dict[str, str]:
    """Return each setting's variable and its field's name, for docs and tests."""
    return {variable(name): name for name in Settings.model_fields}


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


@dataclass(frozen=True)
class Reading:
    """Settings, warnings about misspelt variables, and the texts they came from.

    ``environment`` holds all that was read, files included, as variables that
    give the same settings again.
    """

    settings: Settings
    warnings: tuple[str, ...]
    environment: dict[str, str]


def read(
    environ: Mapping[str, str] | None = None,
    *,
    required: Collection[str] = (),
    only: Collection[str] = tuple(Settings.model_fields),
    embedded: bool = False,
) -> Reading:
    """Read the settings from *environ*, by default the process's own.

    *required* fields must be set; *only* these are looked at.  With *embedded*,
    keys that are set nowhere come from the file that ``gateway serve`` made in
    the data folder.  Raise SettingsError with every fault at once.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    faults: list[str] = []
    for field in only:
        try:
            value = _value(environ, variable(field))
        except ValueError as error:
            faults.append(str(error))
            continue
        if value is not None:
            values[field] = value
    if embedded and "keys" not in values:
        made = Path(values.get("data", "var"), "keys")
        if made.is_file():
            values["keys"] = made.read_text("utf-8")
    faults.extend(_missing(required, values, faults))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults.extend(_in_words(error))
    if faults:
        raise SettingsError(faults)
    read_again = {
        variable(field): values.get(field, "") for field in Settings.model_fields
    }
    read_again |= {f"{name}{_FILE_SUFFIX}": "" for name in read_again}
    return Reading(settings, tuple(_misspelt(environ)), read_again)


def has_keys(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether keys are set, fit or not."""
    environ = os.environ if environ is None else environ
    name = variable("keys")
    return bool(environ.get(name) or environ.get(name + _FILE_SUFFIX))


def environment(**changes: str) -> dict[str, str]:
    """Return the process's environment with *changes*, for a child process."""
    return {**os.environ, **changes}


def _value(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name) or None
    file = environ.get(name + _FILE_SUFFIX) or None
    if file is None:
        return value
    if value is not None:
        raise ValueError(f"{name}: set it or {name}{_FILE_SUFFIX}, not both")
    try:
        return Path(file).read_text("utf-8").strip() or None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ValueError(f"{name}{_FILE_SUFFIX}: {file}: {reason}") from None


def _missing(
    required: Iterable[str], values: Mapping[str, str], faults: list[str]
) -> list[str]:
    said = {fault.partition(":")[0].removesuffix(_FILE_SUFFIX) for fault in faults}
    return [
        f"{variable(field)}: is not set{_HINTS.get(field, '')}"
        for field in required
        if field not in values and variable(field) not in said
    ]


_HINTS: Final = {
    "keys": "; make a key with: gateway keys new",
    "files": "; name the folder whose files are to be served",
    "public_url": "; name the gateway's address, as in https://files.example.com",
}


def _in_words(error: ValidationError) -> list[str]:
    return [
        f"{variable(str(detail['loc'][0])) if detail['loc'] else PREFIX + 'DATA'}: "
        f"{detail['msg'].removeprefix('Value error, ')}"
        for detail in error.errors(include_input=False, include_url=False)
    ]


def _misspelt(environ: Mapping[str, str]) -> Iterable[str]:
    # Kubernetes sets variables like GATEWAY_SERVICE_HOST beside a service of
    # that name: an unknown one is no fault, only a near miss is worth a word.
    known = {f"{name}{end}" for name in describe() for end in ("", _FILE_SUFFIX)}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if near:
                yield f"{name} is no setting; did you mean {near[0]}?"
