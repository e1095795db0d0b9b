"""Files that come in, and the links that they come by."""

from gateway.errors.base import GatewayError, RefusedError


class MissingUploadError(GatewayError):
    """A command names an upload that is not there."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"there is no upload {upload_id}")


class DropPolicyError(GatewayError):
    """A drop link can't be made as asked; ``faults`` says why, by field."""

    def __init__(self, faults: dict[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{k}: {v}" for k, v in faults.items()))


class MissingDropError(GatewayError):
    """A command names a drop link that is not there."""

    def __init__(self, drop_id: str) -> None:
        self.drop_id = drop_id
        super().__init__(f"there is no drop link {drop_id}")


class UploadError(RefusedError):
    """An upload that is not taken."""

    reason = "upload"


class BadNameError(UploadError):
    """A name that no file can be shown under."""

    reason = "bad-name"


class TooLargeError(UploadError):
    """An upload over the limit; ``limit`` in bytes."""

    reason = "too-large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"over {limit} bytes")


class LengthRequiredError(UploadError):
    """A body without a length where the largest upload would find no room."""

    reason = "length-required"


class TypeRefusedError(UploadError):
    """An upload of a type that the operator does not take."""

    reason = "type-refused"

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        super().__init__(media_type)


class OverQuotaError(UploadError):
    """An upload that would pass a quota; ``limit`` in bytes."""

    reason = "over-quota"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"over {limit} bytes")


class NoSpaceError(UploadError):
    """The disk has no room for an upload."""

    reason = "no-space"

    def __init__(self) -> None:
        super().__init__("the disk is full")


class TooManyUploadsError(UploadError):
    """A user has as many uploads running as are allowed; ``limit`` of them."""

    reason = "too-many-uploads"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} at a time")


class NoPlaceError(TooManyUploadsError):
    """The same of a resumable upload, whose client waits for a place."""


class TooManyEndsError(UploadError):
    """As many large uploads are just being finished as may be at a time."""

    reason = "too-many-ends"


class DigestMismatchError(UploadError):
    """Content that does not have the digest that its sender gave."""

    reason = "digest-mismatch"


class BadUploadError(UploadError):
    """A request for an upload that makes no sense; ``fact`` says why."""

    reason = "bad-upload"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class BadFormError(UploadError):
    """An upload form that can't be read or holds no file; ``fact`` says why."""

    reason = "bad-form"

    def __init__(self, fact: str) -> None:
        self.fact = fact
        super().__init__(fact)


class TooManyFilesError(UploadError):
    """A form with more files than are taken at once; ``limit`` of them."""

    reason = "too-many-files"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"over {limit} files")


class DropOverError(UploadError):
    """A drop link that takes nothing more: used up, expired or revoked."""

    reason = "drop-over"

    def __init__(self, drop_id: str) -> None:
        self.drop_id = drop_id
        super().__init__(drop_id)


class NameTakenError(UploadError):
    """The sender asked not to store a second upload of the same name."""

    reason = "name-taken"


class RepeatedUploadError(UploadError):
    """An idempotency key that has been used; the first upload stands."""

    reason = "repeated-upload"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


class TusVersionError(UploadError):
    """A client of another version of tus; ``version`` is what it said."""

    reason = "tus-version"

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(version)


class ContentTypeError(UploadError):
    """A body that is not said to be a chunk of an upload; ``said`` is what it is."""

    reason = "content-type"

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class ContentEncodingError(UploadError):
    """A body that is said to be encoded; ``said`` is how."""

    reason = "content-encoding"

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class WrongOffsetError(UploadError):
    """A chunk that does not begin where the upload ends, at ``offset`` bytes."""

    reason = "wrong-offset"

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(f"the upload has {offset} bytes")


class LockedError(UploadError):
    """Another request is working on the upload, or has taken its turn."""

    reason = "locked"


class ChecksumError(UploadError):
    """A chunk that does not have the checksum that its sender gave."""

    reason = "checksum-mismatch"


class UploadSessionOverError(UploadError):
    """A resumable upload whose time was over at ``expired_at`` (Unix seconds)."""

    reason = "upload-expired"

    def __init__(self, expired_at: int) -> None:
        self.expired_at = expired_at
        super().__init__(f"expired at {expired_at}")


class UnfinishedPartError(UploadError):
    """A part that can't be put together with others: it is not whole, or used."""

    reason = "unfinished-part"
