"""Objects in an S3-compatible bucket.

An object is durable once PutObject has succeeded and the answer names the SHA-256 that we computed while it arrived: a
server that answers without one is read back. Everything ends within a time limit, for a sender waits for its status.
"""

import hashlib
import io
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from service.objects.contract import StoredObject
from service.objects.room import Room, unusable
from service.objects.spool import Spool, SpooledFile
from service.settings import StoreSettings
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, StoreUnavailable

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


class S3Incoming(SpooledFile):
    """An object on its way into the bucket; it is spooled on this machine until it is there."""

    def __init__(self, spool: Spool, store: "S3Store") -> None:
        super().__init__(spool)
        self._store = store

    def keep(self) -> StoredObject:
        """Make the object durable and visible under its key; see `service.objects.contract.Incoming`."""
        stored = StoredObject(self._digest.hexdigest(), self.size)
        try:
            with self.path.open("rb") as file:
                self._store.send(stored, file)
        except OSError as error:
            raise unusable(error) from None
        return stored


class S3Store:
    """A bucket of objects named by their digest; see `service.objects.contract.ObjectStore`.

    Parameters
    ----------
    settings
        Which bucket, where, and how it encrypts. Credentials come from the standard chain of the AWS libraries.
    spool
        Folder on this machine for what is arriving; made when absent.
    reserve_bytes
        Free space of the spool's disk below which nothing new is begun.
    """

    def __init__(self, settings: StoreSettings, spool: Path, reserve_bytes: int = 0) -> None:
        self._bucket, self._prefix = settings.bucket, settings.prefix
        self._timeout = settings.timeout
        self._encryption = _encryption(settings)
        self.room = Room(spool, reserve_bytes)
        self._spool = Spool(spool, self.room)
        try:
            spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unusable(error) from None
        self._client = _client(settings)

    def begin(self) -> S3Incoming:
        """Begin an object that arrives in pieces."""
        self.room.require()
        return S3Incoming(self._spool, self)

    def put(self, content: bytes) -> StoredObject:
        """Store a report of ours as a whole."""
        stored = StoredObject(hashlib.sha256(content).hexdigest(), len(content))
        self.send(stored, io.BytesIO(content))
        return stored

    def send(self, stored: StoredObject, file: IO[bytes]) -> None:
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
                told = checksum if _digest(self._get(stored.key, deadline)) == stored.key else ""
            if told != checksum:
                raise _Mismatch

        self._within(put)

    def read(self, key: str) -> bytes:
        """Return an object's bytes, checked against their digest.

        Raises
        ------
        ObjectMissing
            When it is not there.
        ObjectDamaged
            When they are not the bytes that were kept.
        StoreUnavailable
            When the server does not answer, or not in time.
        """
        content = self._within(lambda deadline: self._get(key, deadline))
        if _digest(content) != key:
            raise ObjectDamaged
        return content

    def holds(self, key: str) -> bool:
        """Return whether an object is there."""
        try:
            self._within(lambda _: self._head(key))
        except ObjectMissing:
            return False
        return True

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

    def remove(self, key: str, minimum_age: float) -> int:
        """Remove an object that was last written at least so many seconds ago; return the bytes freed."""
        try:
            head = self._within(lambda _: self._head(key))
        except ObjectMissing:
            return 0
        if (datetime.now(UTC) - head["LastModified"]).total_seconds() < minimum_age:
            return 0
        self._within(lambda _: self._client.delete_object(Bucket=self._bucket, Key=self._name(key)))
        return int(head["ContentLength"])

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove half-received files that a crash left behind; return how many."""
        return self._spool.remove_incomplete(older_than_seconds)

    def check(self) -> None:
        """Do nothing where the next object would be taken."""
        self.room.require()
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


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
