"""A bucket on an S3-compatible server: each request ends in time, and is tried again until half of that time is over.

References
----------
Amazon S3 API Reference: PutObject, GetObject, HeadObject, ListObjectsV2, DeleteObject, HeadBucket
"""

import hashlib
import io
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from service.objects.contract import StoredObject
from service.settings import StoreSettings
from service.vocabulary.errors import ObjectMissing, StoreUnavailable

T = TypeVar("T")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_CONNECTIONS = 50
_PIECE = 1 << 20
#: Codes that another try may mend: the bytes were hurt on their way, or the server is busy.
_TRANSIENT = {"BadDigest", "XAmzContentSHA256Mismatch", "RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"}
_MISSING = {"NoSuchKey", "404", "NotFound"}


class _OutOfTime(Exception):
    """The time limit ended while bytes went out."""


class _Mismatch(Exception):
    """The server holds other bytes than we sent."""


class _Body(io.RawIOBase):
    """A file that is sent, unless the time is up: a server that takes a byte now and then must not hold a sender up."""

    def __init__(self, file: IO[bytes], deadline: float) -> None:
        super().__init__()
        self._sent = file
        self._deadline = deadline

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise _OutOfTime
        return self._sent.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._sent.seek(offset, whence)

    def tell(self) -> int:
        return self._sent.tell()


class Bucket:
    """The objects of a bucket, by key.

    Every method raises `StoreUnavailable` when the server does not answer in time, or refuses.

    Parameters
    ----------
    settings
        Which bucket, where, and how it encrypts. Credentials come from the standard chain of the AWS libraries.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._bucket, self._prefix = settings.bucket, settings.prefix
        self._timeout = settings.timeout
        self._encryption = _encryption(settings)
        self._client = _client(settings)

    def put(self, stored: StoredObject, file: IO[bytes]) -> None:
        """Put an object into the bucket and make sure that its bytes arrived.

        Raises
        ------
        StoreUnavailable
            When the bucket does not take it in time, or holds other bytes.
        """
        checksum = b64encode(bytes.fromhex(stored.key)).decode()

        def put(deadline: float) -> None:
            file.seek(0)
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._name(stored.key),
                Body=_Body(file, deadline),
                ContentLength=stored.size,
                ChecksumSHA256=checksum,
                ContentType="application/dicom",
                **self._encryption,
            )
            told = answer.get("ChecksumSHA256")
            if told is None:
                # Servers older than these checksums ignore the one we sent, and would not notice a changed byte.
                content = self._get(stored.key, deadline)
                told = checksum if hashlib.sha256(content).hexdigest() == stored.key else ""
            if told != checksum:
                raise _Mismatch

        self._within(put)

    def get(self, key: str) -> bytes:
        """Return an object's bytes as the server gives them.

        Raises
        ------
        ObjectMissing
            When it is not there.
        """
        return self._within(lambda deadline: self._get(key, deadline))

    def head(self, key: str) -> dict[str, Any]:
        """Return what the server says of an object: `ContentLength` in bytes, `LastModified`.

        Raises
        ------
        ObjectMissing
            When it is not there.
        """
        return self._within(lambda _: self._head(key))

    def stored(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with two hexadecimal digits."""
        arguments = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{prefix}/"}
        while True:
            page = self._within(lambda _: self._client.list_objects_v2(**arguments))
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"].rsplit("/", 1)[1], item["Size"])
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._within(lambda _: self._client.delete_object(Bucket=self._bucket, Key=self._name(key)))

    def check(self) -> None:
        """Do nothing where the bucket is there and lets us in."""
        self._within(lambda _: self._client.head_bucket(Bucket=self._bucket))

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    def _name(self, key: str) -> str:
        return f"{self._prefix}{key[:2]}/{key}"

    def _get(self, key: str, deadline: float) -> bytes:
        pieces = []
        # As a context manager of its own it would give out the raw stream, which takes a broken connection for the end.
        with closing(self._client.get_object(Bucket=self._bucket, Key=self._name(key))["Body"]) as body:
            while piece := body.read(_PIECE):
                pieces.append(piece)
                if time.monotonic() > deadline:
                    raise _OutOfTime
        return b"".join(pieces)

    def _head(self, key: str) -> dict[str, Any]:
        head: dict[str, Any] = self._client.head_object(Bucket=self._bucket, Key=self._name(key))
        return head

    def _within(self, act: Callable[[float], T]) -> T:
        """Act, and again after what may pass until half of the time is over; an attempt may take the other half."""
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return act(began + self._timeout)
            except ClientError as error:
                reason, may_pass = _refusal(error)
            except _Mismatch:
                reason, may_pass = "it holds other bytes than were sent", True
            except (BotoCoreError, HTTPClientError, _OutOfTime) as error:
                reason, may_pass = f"it does not answer in time ({type(error).__name__})", True
            if not may_pass or time.monotonic() - began + pause > self._timeout / 2:
                raise StoreUnavailable(
                    f"the bucket cannot be used: {reason}; check `store.*`, its server and its credentials"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _client(settings: StoreSettings) -> Any:
    half = settings.timeout / 2
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        config=Config(
            connect_timeout=min(half, 5.0),
            read_timeout=half,
            # Tries are counted here in seconds, by `_within`.
            retries={"total_max_attempts": 1},
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": "path" if settings.path_style else "auto"},
            # The checksum is ours, SHA-256; other servers than Amazon's refuse the newer ones that would be added.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _encryption(settings: StoreSettings) -> dict[str, str]:
    if settings.encryption == "none":
        return {}
    named = {"SSEKMSKeyId": settings.kms_key} if settings.kms_key else {}
    return {"ServerSideEncryption": settings.encryption, **named}


def _refusal(error: ClientError) -> tuple[str, bool]:
    """Return what a server's refusal is called, and whether another try may help.

    Raises
    ------
    ObjectMissing
        When it says that the object is not there.
    """
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING and error.operation_name in ("GetObject", "HeadObject"):
        raise ObjectMissing from None
    return f"{error.operation_name} is refused ({code}, {status})", status >= 500 or code in _TRANSIENT
