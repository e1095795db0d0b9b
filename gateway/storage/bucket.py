"""Files in a bucket: objects of an S3-compatible server below one prefix."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from gateway.errors import BucketBusyError, NotServableError, SettingsError
from gateway.storage.content import BucketObject
from gateway.storage.files import FoundFile, ServedFile
from gateway.storage.paths import FilePath

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError
    from obstore.store import S3Store
except ImportError:
    raise SettingsError(
        ["a bucket needs a package: pip install 'accel-gateway[server,bucket]'"]
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ClientConfig, S3Credential

    from gateway.storage.bucket_server import BucketServer
    from gateway.storage.places import BucketURL

#: The longest key of an object, in bytes.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAXIMUM_KEY: Final = 1024
#: How long nginx may use a presigned URL: longer than the slowest download takes.  It
#: is the longest life that Amazon permits, and the URL never leaves nginx.
_LIFE: Final = timedelta(days=7)
#: How long a request without content may take, with its answer.
_REQUEST: Final = timedelta(seconds=8)
#: How long the server may be silent while content is read, and how long sending a part
#: of content may take: the client can't see whether the server takes it.
_SILENCE: Final = timedelta(minutes=1)
#: How many keys ``below`` examines per object of its limit.
_KEYS_PER_FILE: Final = 10
#: The part of obstore's messages that differs each time.
_EFFORT: Final = re.compile(
    r" in \S+, after \d+ retries, max_retries: \d+, retry_timeout: \S+ ?"
)
#: The status and Amazon's code in obstore's messages.
_STATUS: Final = re.compile(r"status code: ([0-9]{3}[A-Za-z ]*)")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
#: Objects that are listed by one request.
_PAGE: Final = 1000


def open_store(
    server: BucketServer, bucket: str, *, for_content: bool = False
) -> S3Store:
    """Return the client for one bucket, which makes its connections lazily.

    It limits each request to eight seconds.  *for_content*, it limits the silence of
    the server to a minute, and to that the time for sending one part.
    """
    # Not as arguments: with them, AWS_SESSION_TOKEN of the environment would be used.
    key: S3Credential = {
        "access_key_id": server.key_id,
        "secret_access_key": server.secret,
        "expires_at": None,
    }
    limits: ClientConfig = (
        {"timeout": _LIFE, "read_timeout": _SILENCE}
        if for_content
        else {"timeout": _REQUEST}
    )
    return S3Store(
        bucket,
        endpoint=str(server.endpoint),
        region=server.region,
        client_options={
            "allow_http": server.endpoint.scheme == "http",
            "connect_timeout": "3s",
            **limits,
        },
        retry_config={
            "max_retries": 1,
            "retry_timeout": _SILENCE if for_content else _REQUEST,
        },
        credential_provider=(lambda: key) if server.key_id else None,
    )


@dataclass(frozen=True)
class BucketTree:
    """The objects below ``url``; see ``files.Files``."""

    url: BucketURL
    store: S3Store
    transfers: S3Store

    @classmethod
    def of(cls, url: BucketURL, server: BucketServer) -> Self:
        """Return the tree of a bucket on *server*."""
        transfers = open_store(server, url.bucket, for_content=True)
        return cls(url, open_store(server, url.bucket), transfers)

    def serve(self, path: FilePath) -> ServedFile:
        """Return the URLs by which nginx finds the object at *path*.

        Raise BucketBusyError if the provider gives no credentials.
        """
        key = self._key(path)
        with answering(self.url):
            return ServedFile(path.name, presigned_content(self.store, key))

    def locate(self, path: FilePath) -> FoundFile:
        """Return the object at *path*; see ``files.Files``."""
        try:
            with answering(self.url):
                size = obstore.head(self.store, self._key(path))["size"]
        except FileNotFoundError:
            raise NotServableError("missing") from None
        return FoundFile(path, size)

    def is_folder(self, path: FilePath) -> bool:
        """Return whether there are objects below *path*."""
        return any(True for _ in self._list(f"{self._key(path)}/", most=1))

    def below(self, folder: FilePath, *, most: int) -> list[FoundFile]:
        """Return at most *most* objects below *folder*, by key.

        The search gives up after a number of keys, as in a folder.
        """
        start = len(self.url.prefix)
        prefix = f"{self._key(folder)}/" if folder.text else self.url.prefix
        found: list[FoundFile] = []
        for key, size in self._list(prefix, most=_KEYS_PER_FILE * most):
            if len(found) == most:
                break
            try:
                found.append(FoundFile(FilePath.parse(key[start:]), size))
            except NotServableError:  # hidden, or the marker of a folder
                continue
        return found

    def read(self, path: FilePath) -> Iterator[bytes]:
        """Return the bytes of an object in chunks; see ``files.Files``."""
        try:
            with answering(self.url):
                stream = obstore.get(self.transfers, self._key(path)).stream()
                yield from map(bytes, stream)
        except FileNotFoundError:
            raise NotServableError("missing") from None

    def is_readable(self) -> bool:
        """Return True if the bucket may be listed; else raise BucketBusyError."""
        next(self._list(self.url.prefix, most=1), None)
        return True

    def _key(self, path: FilePath) -> str:
        key = self.url.prefix + path.text
        if len(key.encode()) > _MAXIMUM_KEY:
            raise NotServableError("too-long")
        return key

    def _list(self, prefix: str, *, most: int) -> Iterator[tuple[str, int]]:
        """Yield keys and sizes of at most *most* objects whose keys have *prefix*."""
        with answering(self.url, is_listing=True):
            pages = obstore.list(self.store, prefix, chunk_size=min(most, _PAGE))
            for item in islice(chain.from_iterable(pages), most):
                yield item["path"], item["size"]


@contextmanager
def answering(url: BucketURL, *, is_listing: bool = False) -> Iterator[None]:
    """Raise BucketBusyError instead of obstore's errors.

    A missing object is FileNotFoundError, unless objects are listed: then the bucket
    is missing.
    """
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        is_missing = isinstance(error, NotFoundError | FileNotFoundError)
        if is_missing and not is_listing:
            raise FileNotFoundError(url) from error
        raise BucketBusyError(f"bucket {url} {_cause(str(error))}") from error


def _cause(text: str) -> str:
    """Return what is wrong with a bucket, from the text of obstore's error."""
    if status := _STATUS.search(text):
        code = _CODE.search(text)
        return f"answers {status[1]}{f' ({code[1]})' if code else ''}"
    return f"does not answer: {_EFFORT.sub('', text.splitlines()[0])}"


def presigned_content(store: S3Store, key: str, size: int = 0) -> BucketObject:
    """Return the URLs by which nginx finds an object; 0 is an unknown size."""
    get, head = (
        target_of(obstore.sign(store, method, key, _LIFE)) for method in ("GET", "HEAD")
    )
    return BucketObject(get, head, size)


def target_of(url: str) -> str:
    """Return path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
