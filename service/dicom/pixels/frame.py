"""A compressed frame as it is handed to a codec."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameSize:
    """Size of a compressed frame by its own header; `bits` is the precision of a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


@dataclass(frozen=True)
class Frame:
    """A compressed frame without what does not belong to it.

    Attributes
    ----------
    data
        From its first marker to its last.
    size
        Its size by its own header; None for RLE, which has none.
    continuations
        The same frame with more coded data before its end. Where the frame is whole, each decodes to the same pixels:
        nothing that follows changes a pixel that is complete. Empty where the frame tells by itself that it is whole.
    may_fail
        Whether the codec refuses coded data that no pixel needs; then a continuation of a whole frame may fail.
    """

    data: bytes
    size: FrameSize | None
    continuations: tuple[bytes, ...] = ()
    may_fail: bool = False
