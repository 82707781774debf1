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
    unlike
        The same frame with its last bytes replaced. Where those are coded data it decodes to other pixels; where they
        are padding nobody knows what stood there. Empty where they are no padding.
    others
        Other ways to understand the same bytes, the likeliest first, for when this one is refused.
    """

    data: bytes
    size: FrameSize | None
    continuations: tuple[bytes, ...] = ()
    may_fail: bool = False
    unlike: bytes = b""
    others: "tuple[Frame, ...]" = ()


def is_filler(rest: bytes) -> bool:
    """Tell whether bytes behind the last of an image show nothing: all alike, but for one at each end.

    That is a byte that made a length even before others were added, or after.
    """
    return len(rest) <= 2 or rest.count(rest[1], 1, -1) == len(rest) - 2
