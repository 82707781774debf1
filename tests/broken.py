"""Radiographs as real devices and archives break them, byte by byte, and what is right for each.

Each is a member of a kind. Where its pixels are whole they are those of `whole`, to the last bit.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from service.dicom.pixels.fragments import joined
from tests import phantoms

ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HHL", 0xFFFE, number, 0) for number in (0xE000, 0xE00D, 0xE0DD))
OPEN_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Broken:
    """A data set that breaks a rule.

    Attributes
    ----------
    name, kind, source
        What is broken, the kind that it is a member of, and the rule.
    make
        Makes the encoded data set, without file meta information, of an instance in `syntax`.
    is_whole
        Whether its pixels are: then it is analysed, and else reported as not analysed.
    """

    name: str
    kind: str
    source: str
    make: Callable[[FileDataset], bytes]
    syntax: str = ExplicitVRLittleEndian
    is_whole: bool = True
    bits: int = 12

    def encoded(self, sop_instance_uid: str | None = None) -> bytes:
        """Return the broken data set."""
        return self.make(phantoms.transcoded(whole(sop_instance_uid, self.bits), self.syntax))


def whole(sop_instance_uid: str | None = None, bits: int = 12) -> FileDataset:
    """Return the radiograph before anything was broken; under another UID, in a study of its own."""
    return phantoms.chest(
        5,
        study_instance_uid=None if sop_instance_uid is None else _another(sop_instance_uid),
        rows=250,
        columns=240,
        bits=bits,
        sop_instance_uid=sop_instance_uid,
        WindowCenter=2 ** (bits - 1),
        WindowWidth=2**bits,
    )


def _another(uid: str) -> str:
    return str(generate_uid(prefix="2.25.", entropy_srcs=["study of", uid]))


def encoded(dataset: FileDataset) -> bytes:
    """Return a data set as its transfer syntax says, without file meta information."""
    syntax = dataset.file_meta.TransferSyntaxUID
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax != ExplicitVRBigEndian
    buffer.is_implicit_VR = syntax == ImplicitVRLittleEndian
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Return an element in explicit VR little endian, with another length than it has if one is given."""
    length = len(value) if length is None else length
    form = "<HH2sHL" if vr in ("OB", "OW", "SQ", "UN", "UT") else "<HH2sH"
    reserved = (0,) if "L" in form else ()
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr.encode(), *reserved, length) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """Return an element in implicit VR little endian."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def sequence(tag: int, value: bytes, length: int = 0xFFFFFFFF) -> bytes:
    return element(tag, "SQ", value, length)


def item(value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value) if length is None else length) + value


def before(front: bytes, inserted: bytes) -> Callable[[FileDataset], bytes]:
    """Insert bytes before the element that begins with `front`."""

    def make(dataset: FileDataset) -> bytes:
        data = encoded(dataset)
        at = data.index(front)
        return data[:at] + inserted + data[at:]

    return make


def behind(appended: bytes) -> Callable[[FileDataset], bytes]:
    return lambda dataset: encoded(dataset) + appended


def in_front(inserted: bytes) -> Callable[[FileDataset], bytes]:
    return lambda dataset: inserted + encoded(dataset)


REFERENCE = element(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.1\0") + element(0x00081155, "UI", b"2.25.77\0")
CODE = element(0x00080100, "SH", b"T-1 ") + element(0x00080104, "LO", b"Chest ")
PATIENT, STUDY, ROWS, PIXELS = b"\x10\0\x10\0PN", b"\x20\0\x0d\0UI", b"\x28\0\x10\0US", b"\xe0\x7f\x10\0OW"
UNKNOWN = 0x00091010
DEEP = 3000
NESTED = sequence(0x00081140, OPEN_ITEM) * DEEP
NESTED_WHOLE = NESTED + (ITEM_END + SEQUENCE_END) * DEEP
SIGNATURES = sequence(0xFFFAFFFA, OPEN_ITEM + element(0x04000005, "US", b"\1\0"))


def meta(syntax: str = ExplicitVRLittleEndian, length: int = 28) -> bytes:
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return element(0x00020000, "UL", struct.pack("<L", length)) + element(0x00020010, "UI", uid)


def longer(excess: bytes, *, said: int | None = None) -> Callable[[FileDataset], bytes]:
    """Make native pixel data longer, and have them say another length."""

    def make(dataset: FileDataset) -> bytes:
        pixels = dataset.PixelData
        del dataset.PixelData
        value = pixels + excess
        return encoded(dataset) + element(0x7FE00010, "OW", value, len(value) if said is None else len(pixels) + said)

    return make


def fragmented(
    change: Callable[[bytes], bytes], split: Callable[[bytes], bytes] | None = None, end: bytes = SEQUENCE_END
) -> Callable[[FileDataset], bytes]:
    """Change the frame of encapsulated pixel data, and how it is split into items."""

    def make(dataset: FileDataset) -> bytes:
        frame = change(joined(dataset.PixelData))
        del dataset.PixelData
        items = item(b"") + item(frame + b"\0" * (len(frame) % 2)) if split is None else split(frame)
        return encoded(dataset) + element(0x7FE00010, "OB", items, 0xFFFFFFFF) + end

    return make


def same(frame: bytes) -> bytes:
    return frame


def without_end(frame: bytes) -> bytes:
    frame = frame.rstrip(b"\0")
    assert frame.endswith(b"\xff\xd9")
    return frame[:-2]


def padded(padding: bytes) -> Callable[[bytes], bytes]:
    return lambda frame: frame.rstrip(b"\0") + padding


def cut(share: float, end: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda frame: frame[: int(len(frame) * share)] + end


def filled(frame: bytes) -> bytes:
    """Put fill bytes before markers (ITU-T T.81 B.1.1.2)."""
    return b"\xff\xd8\xff\xff\xff" + frame.rstrip(b"\0")[2:-2].removeprefix(b"\xff") + b"\xff\xff\xff\xd9"


def before_end(segment: bytes) -> Callable[[bytes], bytes]:
    return lambda frame: without_end(frame) + segment + b"\xff\xd9"


def without_length(frame: bytes) -> bytes:
    at = frame.index(b"\xff\x90")
    return frame[: at + 6] + bytes(4) + frame[at + 10 :]


def counting_eoc(frame: bytes) -> bytes:
    at = frame.index(b"\xff\x90") + 6
    return frame[:at] + (int.from_bytes(frame[at : at + 4], "big") + 2).to_bytes(4, "big") + frame[at + 4 :]


def repacked(pad: bytes, gap: bytes = b"") -> Callable[[bytes], bytes]:
    """Pad each segment of an RLE frame, and leave a gap behind its header."""

    def change(frame: bytes) -> bytes:
        count, *offsets = struct.unpack("<16L", frame[:64])
        bounds = [*offsets[:count], len(frame)]
        pieces = [frame[start:end] + pad for start, end in pairwise(bounds)]
        starts = [64 + len(gap) + sum(map(len, pieces[:index])) for index in range(count)]
        return struct.pack("<16L", count, *starts, *([0] * (15 - count))) + gap + b"".join(pieces)

    return change


def split_into(size: int, table: bytes = b"") -> Callable[[bytes], bytes]:
    def split(frame: bytes) -> bytes:
        frame += b"\0" * (len(frame) % 2)
        return item(table) + b"".join(item(frame[at : at + size]) for at in range(0, len(frame), size))

    return split


COM_2000 = b"\xff\x64\x00\x0b\x00\x01PADDING"
_FRONT, _ORDER, _SEQUENCE = "groups below 0008 at the front", "PS3.5 7.1", "a sequence without its end"
_FRAME = "the end of a compressed frame"


_NAMED = implicit(0x00081150, b"1.2\0") + implicit(0x00081155, b"2.25.77\0")


def _implicit(value: bytes, length: int) -> Callable[[FileDataset], bytes]:
    return before(PATIENT[:4], implicit(0x00081140, value, length))


def _readable() -> list[Broken]:
    """Data sets that break a rule before or behind their pixels."""
    elements = element(0x00030010, "LO", b"X ") + element(0x00051001, "UN", b"abc ")
    closed = OPEN_ITEM + REFERENCE + ITEM_END
    return [
        Broken("file meta information in the data set", _FRONT, _ORDER, in_front(meta())),
        Broken("file meta information whose group length is wrong", _FRONT, _ORDER, in_front(meta(length=9999))),
        Broken("a whole file's head in the data set", _FRONT, _ORDER, in_front(bytes(128) + b"DICM" + meta())),
        Broken("groups 0003 and 0005", _FRONT, _ORDER, in_front(elements)),
        Broken("groups 0002, 0003 and 0005", _FRONT, _ORDER, in_front(meta() + elements)),
        Broken(
            "file meta information in an implicit data set", _FRONT, _ORDER, in_front(meta()), ImplicitVRLittleEndian
        ),
        Broken(
            "implicit file meta information",
            _FRONT,
            _ORDER,
            in_front(implicit(0x00020000, b"\x1c\0\0\0") + implicit(0x00020010, b"1.2.840.10008.1.2\0")),
            ImplicitVRLittleEndian,
        ),
        Broken(
            "implicit file meta information in an explicit data set",
            _FRONT,
            _ORDER,
            in_front(implicit(0x00020000, b"\x1c\0\0\0") + implicit(0x00020010, b"1.2.840.10008.1.2\0")),
        ),
        *(
            Broken(f"{name} out of order", "elements out of order", _ORDER, change)
            for name, change in (
                ("a sequence before the study", before(STUDY, sequence(0x00540220, item(CODE) + SEQUENCE_END))),
                ("a private element before the patient", before(PATIENT, element(0x7FE10010, "LO", b"X "))),
                ("padding before Rows", before(ROWS, element(0xFFFCFFFC, "OB", bytes(20)))),
            )
        ),
        Broken("file meta information in a big endian data set", _FRONT, _ORDER, in_front(meta()), ExplicitVRBigEndian),
        *(
            Broken(f"a sequence without delimiters {place}", _SEQUENCE, "PS3.5 7.5.2", change)
            for place, change in (
                ("behind the pixels", behind(SIGNATURES)),
                ("before the patient", before(PATIENT, sequence(0x00081140, OPEN_ITEM + REFERENCE))),
                ("before the study", before(STUDY, sequence(0x00189346, OPEN_ITEM + CODE))),
                ("before Rows", before(ROWS, sequence(0x00209111, OPEN_ITEM + CODE + OPEN_ITEM + CODE))),
                ("right before the pixels", before(PIXELS, sequence(0x00400275, OPEN_ITEM + CODE))),
                ("in an open sequence", before(ROWS, sequence(0x00209111, OPEN_ITEM + CODE + NESTED[:20] + CODE))),
            )
        ),
        Broken(
            "a sequence without its delimiter", _SEQUENCE, "PS3.5 7.5.2", before(PATIENT, sequence(0x00081140, closed))
        ),
        Broken(
            "a sequence of items with lengths without its delimiter",
            _SEQUENCE,
            "PS3.5 7.5.2",
            before(ROWS, sequence(0x00209111, item(CODE) * 2)),
        ),
        Broken(
            "an item without its delimiter",
            _SEQUENCE,
            "PS3.5 7.5.2",
            before(ROWS, sequence(0x00209111, OPEN_ITEM + CODE + OPEN_ITEM + CODE + SEQUENCE_END)),
        ),
        Broken(
            "a private implicit sequence without delimiters",
            _SEQUENCE,
            "PS3.5 6.2.2",
            before(PATIENT, element(UNKNOWN, "UN", OPEN_ITEM + implicit(0x00080100, b"T-1 "), 0xFFFFFFFF)),
        ),
        *(
            Broken(
                f"an implicit data set with {name}",
                "a sequence of wrong length",
                "PS3.5 7.5",
                change,
                ImplicitVRLittleEndian,
            )
            for name, change in (
                ("a sequence without delimiters", _implicit(OPEN_ITEM + _NAMED, 0xFFFFFFFF)),
                ("a sequence longer than its items", _implicit(item(_NAMED), 300)),
                ("a sequence shorter than its items", _implicit(item(_NAMED) * 2, 31)),
                ("an item longer than its sequence", _implicit(item(_NAMED, 400), len(item(_NAMED)))),
                ("an item shorter than its elements", _implicit(item(_NAMED, len(_NAMED) - 6), len(item(_NAMED)))),
            )
        ),
        Broken("delimiters that end nothing", _SEQUENCE, "PS3.5 7.5", before(ROWS, ITEM_END + SEQUENCE_END)),
        *(
            Broken(name, "a sequence nested too deep", "PS3.5 7.5", change)
            for name, change in (
                ("3,000 sequences in each other before the pixels", before(PATIENT, NESTED_WHOLE)),
                ("3,000 sequences in each other without an end before the pixels", before(ROWS, NESTED)),
                ("3,000 sequences in each other without an end behind the pixels", behind(NESTED)),
            )
        ),
        *(
            Broken(name, "a sequence of wrong length", "PS3.5 7.5.1", before(ROWS, inserted))
            for name, inserted in (
                ("a sequence longer than its items", sequence(0x00209111, item(CODE), 300)),
                ("a sequence longer than the file", sequence(0x00209111, item(CODE), 0x7FFFFFFF)),
                ("a sequence shorter than its items", sequence(0x00209111, item(CODE) * 2, len(item(CODE)) + 7)),
                ("an item longer than its sequence", sequence(0x00209111, item(CODE, 200), len(item(CODE)))),
                ("an item longer than the file", sequence(0x00209111, item(CODE, 0x7FFFFFFF) + SEQUENCE_END)),
            )
        ),
        *(
            Broken(name, "an element of odd length or unknown VR", "PS3.5 7.1.1", before(ROWS, inserted))
            for name, inserted in (
                ("an odd length", element(0x00204000, "LT", b"odd")),
                ("an odd length with a padding that it does not count", element(0x00204000, "LT", b"odd", 3) + b" "),
                (
                    "a private element of unknown VR",
                    element(0x00210010, "LO", b"X ") + element(0x00211001, "??", b"ab"),
                ),
                ("an implicit element in an explicit data set", implicit(0x00211001, b"abcdefgh")),
            )
        ),
        Broken("bytes of no meaning behind the pixels", "behind the pixels", _ORDER, behind(b"\x17\x99" * 777)),
        Broken(
            "an element behind the pixels that is cut",
            "behind the pixels",
            _ORDER,
            behind(element(0xFFFCFFFC, "OB", b"ab", 4000)),
        ),
        *(
            Broken(name, "native pixel data longer than the pixels", "PS3.5 8.1.1, Note", change)
            for name, change in (
                ("native pixel data with 128 bytes more", longer(bytes(128))),
                ("native pixel data with an odd byte more", longer(b"\7")),
                ("native pixel data with 4,096 bytes more that are cut", longer(bytes(100), said=4096)),
            )
        ),
        Broken("native pixel data that are cut", "pixels that are cut", "PS3.5 8.1.1", _cut_native, is_whole=False),
        Broken(
            "a deflated data set with bytes behind it",
            "behind the pixels",
            "PS3.5 A.5",
            lambda dataset: deflated(encoded(dataset) + SIGNATURES) + b"\x17" * 100,
            DeflatedExplicitVRLittleEndian,
        ),
    ]


def _cut_native(dataset: FileDataset) -> bytes:
    return encoded(dataset)[:-1000]


def deflated(data: bytes) -> bytes:
    import zlib

    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _frames() -> list[Broken]:
    """Compressed frames whose end, padding or fragments break a rule, and those that are cut."""
    lossless = ((JPEGLossless, 12), (JPEGLosslessSV1, 12), (JPEGLosslessSV1, 8), (JPEGLSLossless, 12))
    lossy = ((JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12))
    made = []
    for syntax, bits in (*lossless, *lossy):
        rule = "ITU-T T.87 C.1" if syntax == JPEGLSLossless else "ITU-T T.81 B.2.1"
        for name, change in (
            ("zeros behind EOI", padded(bytes(500))),
            ("bytes behind EOI", padded(b"\x20\xff\xff\x41" * 99)),
            ("no EOI", without_end),
            ("fill bytes before markers", filled),
        ):
            full = f"{syntax.name} of {bits} bits, {name}"
            made.append(Broken(full, _FRAME, rule, fragmented(change), syntax, bits=bits))
        for name, change in (
            ("cut in half", cut(0.5)),
            ("cut in half before its EOI", cut(0.5, b"\xff\xd9")),
            ("cut near the end", cut(0.99)),
            ("cut near the end before its EOI", cut(0.99, b"\xff\xd9")),
        ):
            full = f"{syntax.name} of {bits} bits, {name}"
            made.append(Broken(full, "pixels that are cut", rule, fragmented(change), syntax, False, bits))
    for name, change in (
        ("a comment before EOC", before_end(COM_2000)),
        ("two comments before EOC", before_end(COM_2000 * 2)),
        ("a comment and a zero behind EOC", lambda frame: before_end(COM_2000)(frame) + b"\0"),
        ("no EOC", without_end),
        ("a comment and no EOC", lambda frame: without_end(frame) + COM_2000),
        ("padding behind EOC", padded(bytes(999))),
        ("bytes behind EOC", padded(b"\x41\xff\x52" * 99)),
        ("Psot 0", without_length),
        ("Psot that counts EOC", counting_eoc),
        ("Psot 0 and no EOC", lambda frame: without_length(without_end(frame))),
    ):
        made.append(Broken(f"JPEG 2000 with {name}", _FRAME, "ITU-T T.800 A.4.2", fragmented(change), JPEG2000Lossless))
    for name, change in (
        ("cut in half", cut(0.5)),
        ("cut in half before its EOC", cut(0.5, b"\xff\xd9")),
        ("cut near the end", cut(0.99)),
        ("cut near the end before its EOC and zeros", cut(0.999, b"\xff\xd9" + bytes(200))),
        ("cut near the end before zeros", cut(0.999, bytes(200))),
        ("with Psot 0 and cut in half", lambda frame: without_length(cut(0.5, b"\xff\xd9")(frame))),
    ):
        made.append(
            Broken(
                f"JPEG 2000 {name}",
                "pixels that are cut",
                "ITU-T T.800 A.4.2",
                fragmented(change),
                JPEG2000Lossless,
                False,
            )
        )
    for name, change in (
        ("zeros behind each segment", repacked(bytes(20))),
        ("an odd byte behind each segment", repacked(b"\x80")),
        ("a gap behind its header", repacked(b"", bytes(16))),
    ):
        made.append(Broken(f"RLE with {name}", _FRAME, "PS3.5 G.3.2", fragmented(change), RLELossless))
    made.append(
        Broken(
            "RLE that is cut", "pixels that are cut", "PS3.5 G.3.2", fragmented(cut(0.9)), RLELossless, is_whole=False
        )
    )
    for syntax in (JPEGLosslessSV1, JPEG2000Lossless, RLELossless):
        for name, split in (
            ("fragments of 998 bytes", split_into(998)),
            ("fragments of odd lengths", split_into(777)),
            ("a wrong offset table", split_into(5000, struct.pack("<4L", 7, 77, 9999999, 3))),
            ("an empty fragment among them", lambda frame: item(b"") * 2 + item(frame + b"\0" * (len(frame) % 2))),
        ):
            full = f"{syntax.name}, {name}"
            made.append(Broken(full, "fragments of a frame", "PS3.5 A.4", fragmented(same, split), syntax))
        made.append(
            Broken(
                f"{syntax.name}, no sequence delimiter",
                "fragments of a frame",
                "PS3.5 A.4",
                fragmented(same, end=b""),
                syntax,
            )
        )
    return made


def _lut(keyword: str, *items: tuple[bytes, bytes]) -> bytes:
    """Return a LUT sequence whose items hold these descriptors and data, as they stand in a file."""
    made = (element(0x00283002, "US", descriptor) + element(0x00283006, "OW", data) for descriptor, data in items)
    tag = 0x00283010 if keyword == "VOI" else 0x00283000
    return sequence(tag, b"".join(map(item, made)) + SEQUENCE_END)


def words(*numbers: int) -> bytes:
    return np.asarray(numbers).astype("<i4").astype("<u2").tobytes()


def _shown() -> list[Broken]:
    """Images whose LUTs, windows or numbers of frames break a rule: all are shown as the window shows `whole`."""
    ramp = words(*range(4096))
    packed = (np.arange(4096) * 255 // 4095).astype(np.uint8).tobytes()
    negative = words(*([0] * 100), *range(4096))
    kind, rule = "a LUT that lies", "PS3.3 C.11.1.1, C.11.2.1.1"
    made = [
        Broken(
            f"a VOI LUT that declares {bits} bits and has 12",
            kind,
            rule,
            _with(_lut("VOI", (words(4096, 0, bits), ramp))),
        )
        for bits in (8, 10, 14, 16)
    ]
    for which in ("VOI", "Modality"):
        made += [
            Broken(f"a {which} LUT {name}", kind, rule, _with(_lut(which, *items)))
            for name, items in (
                ("with 0 for its number of entries", [(words(0, 0, 16), ramp)]),
                ("a little shorter than it says", [(words(4100, 0, 12), ramp)]),
                ("with an empty item", [(b"", b"")]),
                ("with an empty item before a good one", [(b"", b""), (words(4096, 0, 12), ramp)]),
                ("without its data", [(words(4096, 0, 12), b"")]),
                ("with a negative first value of an image without a sign", [(words(4196, -100, 12), negative)]),
            )
        ]
    made.append(
        Broken(
            "a VOI LUT of 8-bit entries packed into words, declared as 16",
            kind,
            rule,
            _with(_lut("VOI", (words(4096, 0, 16), packed))),
        )
    )
    for name, sloppy in (
        ("Number of Frames 0", element(0x00280008, "IS", b"0 ")),
        ("an empty Number of Frames", element(0x00280008, "IS", b"")),
        ("a Number of Frames that is text", element(0x00280008, "IS", b"one ")),
    ):
        made.append(Broken(name, "Number of Frames", "PS3.3 C.7.6.6", before(ROWS, sloppy)))
    for name, attributes in (
        ("Rescale Slope 0", {"RescaleSlope": "0", "RescaleIntercept": "0"}),
        ("an empty Rescale Slope", {"RescaleSlope": "", "RescaleIntercept": "0"}),
        (
            "a window below 1 with a small Rescale Slope",
            {"RescaleSlope": "0.0001", "RescaleIntercept": "0", "WindowCenter": "0.20475", "WindowWidth": "0.4095"},
        ),
        ("windows of which the first is empty", {"WindowCenter": ["", "2048"], "WindowWidth": ["", "4096"]}),
    ):
        made.append(Broken(name, "windows and rescaling", "PS3.3 C.11.1, C.11.2", _attributes(attributes)))
    return made


def _with(inserted: bytes) -> Callable[[FileDataset], bytes]:
    return before(PIXELS, inserted)


def _attributes(values: Mapping[str, object]) -> Callable[[FileDataset], bytes]:
    def make(dataset: FileDataset) -> bytes:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        return encoded(dataset)

    return make


@cache
def inputs() -> tuple[Broken, ...]:
    """Return every broken input."""
    return (*_readable(), *_frames(), *_shown())


def right_pixels(broken: Broken) -> "np.ndarray[tuple[int, ...], np.dtype[np.integer]]":
    """Return the pixels that are right for it: those of the same frame before it was broken."""
    from service.dicom.pixels import stored_values

    return stored_values(phantoms.transcoded(whole(bits=broken.bits), broken.syntax))
