"""What can be wrong with models on disk."""

from alcove.kernel.errors import AlcoveError, InvalidRequest, NotFound, Unprocessable


class BadManifest(Unprocessable):
    """A model's manifest cannot be read; pull or create the model again."""

    code = "bad_manifest"
    title = "Manifest not readable"


class BlobNotFound(NotFound):
    """There is no such blob here."""

    code = "blob_not_found"
    title = "No such blob"


class InvalidDigest(InvalidRequest):
    """A digest is written `sha256:` and 64 hex digits."""

    code = "invalid_digest"
    title = "No digest"


class DigestMismatch(InvalidRequest):
    """The content is not what its digest says."""

    code = "digest_mismatch"
    title = "Digest mismatch"


class DiskFull(AlcoveError):
    """There is not enough room on the disk of the models; delete some, or set another folder (`runtime.catalog.folder`)."""

    code = "disk_full"
    status = 507
    title = "Not enough disk space"
    type = "server_error"


class ReadOnlyModel(InvalidRequest):
    """This model lies in a store that is used in place and never changed; remove it with the program that put it there."""

    code = "read_only_model"
    title = "Read-only model"
