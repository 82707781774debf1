"""Objects in an S3-compatible bucket.

An object is durable once PutObject has succeeded and the answer names the SHA-256 that we computed while it arrived: a
server that answers without one is read back. Everything ends within a time limit, for a sender waits for its status.
"""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from service.objects.bucket import Bucket
from service.objects.contract import StoredObject, verified
from service.objects.room import Room, unusable
from service.objects.spool import Spool, SpooledFile
from service.settings import StoreSettings
from service.vocabulary.errors import ObjectMissing


class S3Incoming(SpooledFile):
    """An object on its way into the bucket; it is spooled on this machine until it is there."""

    def __init__(self, spool: Spool, bucket: Bucket) -> None:
        super().__init__(spool)
        self._bucket = bucket

    def keep(self) -> StoredObject:
        """Make the object durable and visible under its key; see `service.objects.contract.Incoming`."""
        stored = StoredObject(self._digest.hexdigest(), self.size)
        try:
            with self.path.open("rb") as file:
                self._bucket.put(stored, file)
        except OSError as error:
            raise unusable(error) from None
        return stored


class S3Store:
    """A bucket of objects named by their digest; see `service.objects.contract.ObjectStore`.

    Parameters
    ----------
    settings
        Of the bucket.
    spool
        Folder on this machine for what is arriving; made when absent.
    reserve_bytes
        Free space of the spool's disk below which nothing new is begun.
    """

    def __init__(self, settings: StoreSettings, spool: Path, reserve_bytes: int = 0) -> None:
        self.room = Room(spool, reserve_bytes)
        self._spool = Spool(spool, self.room)
        try:
            spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unusable(error) from None
        self._bucket = Bucket(settings)

    def begin(self) -> S3Incoming:
        """Begin an object that arrives in pieces."""
        self.room.require()
        return S3Incoming(self._spool, self._bucket)

    def put(self, content: bytes) -> StoredObject:
        """Store a report of ours as a whole."""
        stored = StoredObject(hashlib.sha256(content).hexdigest(), len(content))
        self._bucket.put(stored, io.BytesIO(content))
        return stored

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
        return verified(key, self._bucket.get(key))

    def holds(self, key: str) -> bool:
        """Return whether an object is there."""
        try:
            self._bucket.head(key)
        except ObjectMissing:
            return False
        return True

    def stored(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with two hexadecimal digits."""
        return self._bucket.stored(prefix)

    def remove(self, key: str, minimum_age: float) -> int:
        """Remove an object that was last written at least so many seconds ago; return the bytes freed."""
        try:
            head = self._bucket.head(key)
        except ObjectMissing:
            return 0
        if (datetime.now(UTC) - head["LastModified"]).total_seconds() < minimum_age:
            return 0
        self._bucket.delete(key)
        return int(head["ContentLength"])

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove half-received files that a crash left behind; return how many."""
        return self._spool.remove_incomplete(older_than_seconds)

    def check(self) -> None:
        """Do nothing where the next object would be taken."""
        self.room.require()
        self._bucket.check()

    def close(self) -> None:
        """Close the connections to the server."""
        self._bucket.close()
