"""What every object store does, whatever lies beneath."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from service.objects.room import Room
from service.vocabulary.errors import ObjectDamaged


@dataclass(frozen=True)
class StoredObject:
    """A durable object: its key (SHA-256 of its bytes, hex) and its size in bytes."""

    key: str
    size: int


class Incoming(Protocol):
    """An object while it arrives: written piece by piece into a file of its own, then kept or discarded."""

    @property
    def path(self) -> Path:
        """Where the bytes lie until they are kept."""

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append a piece.

        Raises
        ------
        StoreFull
            When the disk has come down to its reserve meanwhile.
        StoreUnavailable
            When the disk does not take it.
        """

    def keep(self) -> StoredObject:
        """Make the object durable and visible under its key.

        Raises
        ------
        StoreUnavailable
            When the store does not take it, or not in time; nothing is to be acknowledged then.
        """

    def discard(self) -> None:
        """Remove what arrived; without effect on what was kept."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard it."""


class ObjectStore(Protocol):
    """Objects by key.

    Attributes
    ----------
    room
        The disk that arriving objects are written to.
    """

    room: Room

    def begin(self) -> Incoming:
        """Begin an object that arrives in pieces.

        Raises
        ------
        StoreFull
            When the disk has come down to its reserve.
        StoreUnavailable
            When the disk does not take it.
        """

    def put(self, content: bytes) -> StoredObject:
        """Store a report of ours as a whole; it may use a part of the reserve, for what is sent can make room.

        Raises
        ------
        StoreFull, StoreUnavailable
            When the store does not take it.
        """

    def read(self, key: str) -> bytes:
        """Return an object's bytes, checked against their digest.

        Raises
        ------
        ObjectMissing
            When retention, or a person, has removed it.
        ObjectDamaged
            When they are not the bytes that were kept.
        StoreUnavailable
            When the store cannot be read.
        """

    def holds(self, key: str) -> bool:
        """Return whether an object is there.

        Raises
        ------
        StoreUnavailable
            When the store does not say.
        """

    def stored(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with two hexadecimal digits.

        Raises
        ------
        StoreUnavailable
            When the store does not say.
        """

    def remove(self, key: str, minimum_age: float) -> int:
        """Remove an object that was last written at least so many seconds ago; return the bytes freed.

        Raises
        ------
        StoreUnavailable
            When the store does not remove it.
        """

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove half-received files that a crash left behind; return how many."""

    def check(self) -> None:
        """Do nothing where the next object would be taken.

        Raises
        ------
        StoreFull, StoreUnavailable
            When it would not.
        """


def verified(key: str, content: bytes) -> bytes:
    """Return an object's bytes, if they are those that its key names.

    Raises
    ------
    ObjectDamaged
        When they are others: a disk that decays gives back what it has without a word.
    """
    if hashlib.sha256(content).hexdigest() != key:
        raise ObjectDamaged
    return content
