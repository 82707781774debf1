"""Bytes of a file by their position, flat in memory: of a plain one, or of one that is deflated."""

import zlib
from typing import BinaryIO, Protocol

from service.vocabulary.errors import NotDicom, ObjectTooLarge

_CHUNK = 65536
_WINDOW = 16384


class Readable(Protocol):
    """A file that can seek."""

    def seek(self, offset: int, /) -> int:
        """Go to a position from the start."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes; fewer only at the end."""


class BytesAt:
    """A file's bytes by position; what lies close together is read once.

    Attributes
    ----------
    size
        Where the file ends.
    """

    def __init__(self, file: Readable, size: int) -> None:
        self.size = size
        self._file = file
        self._window = b""
        self._begin = 0

    def __call__(self, at: int, count: int) -> bytes:
        """Return bytes; fewer at the end of the file."""
        offset = at - self._begin
        if offset < 0 or offset + count > len(self._window):
            self._file.seek(at)
            if count > _WINDOW:
                return self._file.read(count)
            self._window, self._begin, offset = self._file.read(_WINDOW), at, 0
        return self._window[offset : offset + count]


class Inflated:
    """The data set that a deflated one holds (PS3.5 section A.5: no zlib header), inflated as far as it is read.

    Raises
    ------
    NotDicom
        While reading, when it cannot be inflated.
    ObjectTooLarge
        While reading, when it inflates to more than `maximum_bytes`.
    """

    def __init__(self, file: BinaryIO, start: int, maximum_bytes: int) -> None:
        self._file = file
        self._start = start
        self._maximum_bytes = maximum_bytes
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ready = b""
        #: How many bytes were taken, and how many are ready to be.
        self._position = self._total = 0
        self._rewind()

    def size(self) -> int:
        """Return how many bytes it holds; a stream that is cut holds those before the cut."""
        while self._inflate():
            pass
        size = self._total
        self._rewind()
        return size

    def seek(self, offset: int, /) -> int:
        """Go to a position from the start; backwards means from the start anew."""
        if offset < self._position:
            self._rewind()
        while self._position < offset and self.read(min(offset - self._position, _CHUNK)):
            pass
        return self._position

    def read(self, count: int, /) -> bytes:
        """Return the next bytes; fewer only at the end."""
        parts = []
        while count > 0 and (self._ready or self._refill()):
            parts.append(self._ready[:count])
            self._ready = self._ready[count:]
            count -= len(parts[-1])
            self._position += len(parts[-1])
        return b"".join(parts)

    def _rewind(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._file.seek(self._start)
        self._ready = b""
        self._position = self._total = 0

    def _refill(self) -> bool:
        self._ready = self._inflate()
        return bool(self._ready)

    def _inflate(self) -> bytes:
        while not self._inflater.eof:
            compressed = self._inflater.unconsumed_tail or self._file.read(_CHUNK)
            try:
                piece = self._inflater.decompress(compressed, _CHUNK)
            except zlib.error:
                raise NotDicom("the deflated data set cannot be inflated") from None
            self._total += len(piece)
            if self._total > self._maximum_bytes:
                raise ObjectTooLarge("the deflated data set inflates beyond the size limit")
            if piece or not compressed:
                return piece
        return b""
