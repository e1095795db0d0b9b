"""Errors of uploads, upload sessions and drop links."""

from gateway.errors.base import GatewayError, RefusedError


class MissingUploadError(GatewayError):
    """A command names an upload that does not exist."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"there is no upload {upload_id}")


class DropPolicyError(GatewayError):
    """A drop link can't be created; ``faults`` maps field names to messages."""

    def __init__(self, faults: dict[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{k}: {v}" for k, v in faults.items()))


class MissingDropError(GatewayError):
    """A command names a drop link that does not exist."""

    def __init__(self, drop_id: str) -> None:
        self.drop_id = drop_id
        super().__init__(f"there is no drop link {drop_id}")


class UploadError(RefusedError):
    """An upload that is refused."""

    reason = "upload"


class BadNameError(UploadError):
    """A name that is not a valid file name."""

    reason = "bad-name"


class TooLargeError(UploadError):
    """An upload over the limit; ``limit`` in bytes."""

    reason = "too-large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} bytes")


class LengthRequiredError(UploadError):
    """A body of unknown length, while there is no space for the largest upload."""

    reason = "length-required"


class TypeRefusedError(UploadError):
    """An upload of a media type that the operator does not allow."""

    reason = "type-refused"

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        super().__init__(media_type)


class OverQuotaError(UploadError):
    """An upload that would exceed a quota; ``limit`` in bytes."""

    reason = "over-quota"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} bytes")


class NoSpaceError(UploadError):
    """The disk is full."""

    reason = "no-space"

    def __init__(self) -> None:
        super().__init__("the disk is full")


class TooManyUploadsError(UploadError):
    """The user has the maximum number of running uploads, which is ``limit``."""

    reason = "too-many-uploads"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} at a time")


class NoUploadSlotError(TooManyUploadsError):
    """TooManyUploadsError for a resumable upload: its client retries automatically."""


class NoFinaliseSlotError(UploadError):
    """The maximum number of large uploads is being finalised."""

    reason = "too-many-ends"


class DigestMismatchError(UploadError):
    """Content that does not match the digest in the request."""

    reason = "digest-mismatch"


class BadUploadError(UploadError):
    """An invalid upload request; ``fact`` says why."""

    reason = "bad-upload"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class BadFormError(UploadError):
    """An upload form that can't be parsed or has no file; ``fact`` says why."""

    reason = "bad-form"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class TooManyFilesError(UploadError):
    """A form with more files than the maximum, which is ``limit``."""

    reason = "too-many-files"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} files")


class DropOverError(UploadError):
    """A drop link that accepts no more uploads: used up, expired or revoked."""

    reason = "drop-over"

    def __init__(self, drop_id: str) -> None:
        self.drop_id = drop_id
        super().__init__(drop_id)


class NameTakenError(UploadError):
    """The request forbids a second upload with the same name (If-None-Match)."""

    reason = "name-taken"


class RepeatedUploadError(UploadError):
    """An idempotency key that was used before; the first upload stays valid."""

    reason = "repeated-upload"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


class TusVersionError(UploadError):
    """A client of another tus version; ``version`` is its Tus-Resumable."""

    reason = "tus-version"

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(version)


class ContentTypeError(UploadError):
    """A chunk without the Content-Type of tus; ``content_type`` is the header."""

    reason = "content-type"

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        super().__init__(content_type)


class ContentEncodingError(UploadError):
    """A body with a Content-Encoding; ``encoding`` is the header."""

    reason = "content-encoding"

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(encoding)


class WrongOffsetError(UploadError):
    """A chunk with a wrong Upload-Offset; the upload's is ``offset``, in bytes."""

    reason = "wrong-offset"

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(f"the upload has {offset} bytes")


class LockedError(UploadError):
    """Another request is using the upload session, or has replaced this request."""

    reason = "locked"


class ChecksumError(UploadError):
    """A chunk that does not match its Upload-Checksum."""

    reason = "checksum-mismatch"


class UploadSessionOverError(UploadError):
    """An upload session that expired at ``expired_at`` (Unix seconds)."""

    reason = "upload-expired"

    def __init__(self, expired_at: int) -> None:
        self.expired_at = expired_at
        super().__init__(f"expired at {expired_at}")


class OtherGatewayError(UploadError):
    """An upload session whose bytes only the gateway named ``replica`` has."""

    reason = "other-gateway"

    def __init__(self, replica: str | None) -> None:
        self.replica = replica
        super().__init__(replica or "")


class UnfinishedPartError(UploadError):
    """A partial upload can't be concatenated: it is unfinished or already used."""

    reason = "unfinished-part"
