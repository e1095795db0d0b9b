"""A bucket of an S3-compatible server, and the clients that ask it."""

from __future__ import annotations

import math
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from gateway.errors import BucketBusyError, SettingsError
from gateway.storage import listing
from gateway.storage.content import BucketObject

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError
    from obstore.store import S3Store
except ImportError:
    raise SettingsError(
        ["a bucket needs a package: pip install 'accel-gateway[server,bucket]'"]
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore.store import ClientConfig, S3Credential

    from gateway.storage.bucket_server import BucketServer
    from gateway.storage.listing import ListedObject, Page
    from gateway.storage.places import BucketURL

#: How long nginx may use a presigned URL: longer than the slowest download takes.  It
#: is the longest life that Amazon permits, and the URL never leaves nginx.
_LIFE: Final = timedelta(days=7)
#: How long a request without content may take, with its answer.
_REQUEST: Final = timedelta(seconds=8)
#: How long the server may be silent while content is read, and how long sending a part
#: of content may take: the client can't see whether the server takes it.
_SILENCE: Final = timedelta(minutes=1)
#: How long the presigned URL of a page of a listing is valid.
_LISTING: Final = timedelta(minutes=1)
#: How long an answer to ``check_listing`` is kept.
_KEPT_SECONDS: Final = 1.0
#: The part of obstore's messages that differs each time.
_EFFORT: Final = re.compile(
    r" in \S+, after \d+ retries, max_retries: \d+, retry_timeout: \S+ ?"
)
#: The status and Amazon's code in obstore's messages.
_STATUS: Final = re.compile(r"status code: ([0-9]{3}[A-Za-z ]*)")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")

#: Amazon's code for a missing bucket, whose status is that for a missing object.
_NO_BUCKET: Final = "NoSuchBucket"


class _Listing:
    """Whether objects can be listed: the answer of one thread, kept for a second.

    Anybody may request ``/readyz``, each listing costs money, and a silent server holds
    the thread that asks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault = ""
        self._kept_until = -math.inf

    def check(self, ask: Callable[[], None]) -> None:
        """Call *ask* if its last answer is too old; raise the BucketBusyError of it.

        While a thread asks, the last answer is that of all other threads.
        """
        is_first = self._kept_until == -math.inf
        if self._is_old() and self._lock.acquire(blocking=is_first):
            try:
                if self._is_old():
                    self._ask(ask)
            finally:
                self._lock.release()
        if self._fault:
            raise BucketBusyError(self._fault)

    def _is_old(self) -> bool:
        return time.monotonic() >= self._kept_until

    def _ask(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except BucketBusyError as error:
            self._fault = str(error)
        else:
            self._fault = ""
        self._kept_until = time.monotonic() + _KEPT_SECONDS


@dataclass(frozen=True)
class Bucket:
    """The bucket and prefix ``url`` on *server*, with two clients.

    ``store`` limits each request to eight seconds.  ``transfers``, for content, limits
    the silence of the server to a minute, and to that the time for sending one part.
    """

    url: BucketURL
    server: BucketServer
    store: S3Store
    transfers: S3Store
    _listing: _Listing = field(default_factory=_Listing, repr=False)

    @classmethod
    def open(cls, url: BucketURL, server: BucketServer) -> Self:
        """Return the bucket; its clients make their connections lazily."""
        store = _client(server, url.bucket, {"timeout": _REQUEST}, retry=_REQUEST)
        transfers = _client(
            server,
            url.bucket,
            {"timeout": _LIFE, "read_timeout": _SILENCE},
            retry=_SILENCE,
        )
        return cls(url, server, store, transfers)

    @contextmanager
    def answering(self, *, may_be_missing: bool = False) -> Iterator[None]:
        """Raise BucketBusyError instead of obstore's errors.

        If an object *may_be_missing*, 404 is FileNotFoundError, unless the answer says
        that the bucket is missing: the answer to a HEAD can't say it.
        """
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            is_missing = isinstance(error, NotFoundError | FileNotFoundError)
            text = str(error)
            if is_missing and may_be_missing and _code(text) != _NO_BUCKET:
                raise FileNotFoundError(self.url) from error
            status = _STATUS.search(text)
            raise BucketBusyError(
                f"bucket {self.url} {_cause(text)}",
                status=int(status[1][:3]) if status else None,
            ) from error

    def content(self, key: str, size: int = 0) -> BucketObject:
        """Return the URLs by which nginx finds an object; 0 is an unknown size.

        Raise BucketBusyError if the provider gives no credentials.
        """
        with self.answering():
            get, head = (
                target_of(obstore.sign(self.store, method, key, _LIFE))
                for method in ("GET", "HEAD")
            )
        return BucketObject(get, head, size)

    def check_listing(self) -> None:
        """Raise BucketBusyError if objects can't be listed."""
        self._listing.check(self._list_one)

    def list(self, prefix: str, *, most: int | None = None) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with *prefix*, by key; all, or *most*.

        Raise BucketBusyError, also if the server does not give all of them.
        """
        page, left = "", math.inf if most is None else most
        while left > 0:
            size = int(min(left, listing.MAXIMUM))
            found = self._page(listing.query(prefix, most=size, page=page))
            yield from found.objects[:size]
            page, left = found.following, left - len(found.objects)
            if not page:
                break

    def _page(self, query: str) -> Page:
        with self.answering():
            signer = _signer(self.server, self.url.bucket, query)
            target = target_of(obstore.sign(signer, "GET", "x", _LISTING))
        try:
            return listing.fetch(
                self.server.endpoint, target, seconds=_REQUEST.total_seconds()
            )
        except listing.ListingError as error:
            raise BucketBusyError(
                f"bucket {self.url} {error}", status=error.status
            ) from error

    def _list_one(self) -> None:
        next(self.list(self.url.prefix, most=1), None)


def _client(
    server: BucketServer, bucket: str, limits: ClientConfig, *, retry: timedelta
) -> S3Store:
    # Not as arguments: with them, AWS_SESSION_TOKEN of the environment would be used.
    key: S3Credential = {
        "access_key_id": server.key_id,
        "secret_access_key": server.secret,
        "expires_at": None,
    }
    return S3Store(
        bucket,
        endpoint=str(server.endpoint),
        region=server.region,
        client_options={
            "allow_http": server.endpoint.scheme == "http",
            "connect_timeout": "3s",
            **limits,
        },
        retry_config={"max_retries": 1, "retry_timeout": retry},
        credential_provider=(lambda: key) if server.key_id else None,
    )


@lru_cache(maxsize=16)
def _signer(server: BucketServer, bucket: str, query: str) -> S3Store:
    """Return a client whose signed URLs list a bucket, whatever their path is.

    obstore signs any query if it is part of the bucket's name.  The path follows it,
    as the value of ``x-path``: Amazon ignores parameters that begin with ``x-``.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html

    Kept for the queries that are repeated, since each client asks the provider for
    credentials.
    """
    return _client(
        server, f"{bucket}?{query}&x-path=", {"timeout": _REQUEST}, retry=_REQUEST
    )


def _cause(text: str) -> str:
    """Return what is wrong with a bucket, from the text of obstore's error."""
    if status := _STATUS.search(text):
        code = _code(text)
        return f"answers {status[1]}{f' ({code})' if code else ''}"
    return f"does not answer: {_EFFORT.sub('', text.splitlines()[0])}"


def _code(text: str) -> str:
    """Return Amazon's code in the text of obstore's error, or the empty string."""
    found = _CODE.search(text)
    return found[1] if found else ""


def target_of(url: str) -> str:
    """Return path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
