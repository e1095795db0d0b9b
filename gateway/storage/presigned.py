"""Presigned PUTs whose content the bucket verifies: AWS Signature Version 4.

obstore signs no headers, but a checksum counts only if its header is signed.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from gateway.storage.bucket_server import BucketServer

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_CHECKSUM: Final = "x-amz-checksum-sha256"


def put(
    server: BucketServer,
    bucket: str,
    key: str,
    sha256: bytes,
    *,
    seconds: int,
    now: int,
) -> tuple[str, str]:
    """Return path and query of a PUT, and the value of ``x-amz-checksum-sha256``.

    The PUT is valid for *seconds* from *now*, Unix seconds, with that header and the
    server's Host only.
    """
    checksum = b64encode(sha256).decode("ascii")
    headers = {"host": server.endpoint.authority, _CHECKSUM: checksum}
    target = query(server, "PUT", f"/{bucket}/{key}", headers, seconds=seconds, now=now)
    return target, checksum


def parse_checksum(text: str) -> bytes | None:
    """Return the SHA-256 in ``x-amz-checksum-sha256``; None if it is something else."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


def query(
    server: BucketServer,
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    seconds: int,
    now: int,
) -> str:
    """Return *path*, encoded, with the query that signs the request.

    *headers* are signed; their names are in lower case.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{server.region}/s3/aws4_request"
    signed = ";".join(sorted(headers))
    encoded = quote(path, safe="/-_.~")
    fields = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{server.key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": signed,
    }
    text = urlencode(sorted(fields.items()), quote_via=quote, safe="-_.~")
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{encoded}\n{text}\n{lines}\n{signed}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    secret = f"AWS4{server.secret}".encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    message = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    signature = hmac.digest(secret, message.encode(), "sha256").hex()
    return f"{encoded}?{text}&X-Amz-Signature={signature}"
