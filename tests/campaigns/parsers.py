"""What we parse ourselves, one function for each, and what its callers expect of it; pydicom is the second opinion."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import pairwise

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from service.dicom.acceptor.pdu import Data
from service.dicom.associate import InvalidAssociate, encode_answer, read_answer, read_request
from service.dicom.characters import character_set, decode
from service.dicom.command import CommandSet, InvalidCommand
from service.dicom.element_heads import LONG_VRS, SHORT_VRS
from service.dicom.header import read_values
from service.dicom.pixels import jpeg, jpeg_2000, rle
from service.hl7.meaning import orders_in
from service.hl7.message import messages_in, parse
from service.settings import Hl7ListenerSettings, OrdersSettings
from service.vocabulary.errors import NotDicom, ObjectTooLarge, UndecodablePixels
from tests import phantoms
from tests.campaigns.mutation import BIG_ENDIAN
from tests.service.dicom.raw_scu import CR, DEFLATED, EXPLICIT, IMPLICIT, association_request, data_pdu, store_command
from tests.service.hl7.samples import order, result

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
READERS = (jpeg.read, jpeg.read, jpeg.read, jpeg_2000.read)
CODECS = (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)
WANTED = frozenset({0x00080005, 0x00080016, 0x00080018, 0x00080050, 0x00100010, 0x00100020, 0x0020000D, 0x0020000E})
_MAXIMUM_BYTES = 1 << 20
#: In little and big endian (PS3.5 section 7.5).
_EMPTY_ITEMS = (bytes.fromhex("feff00e000000000"), bytes.fromhex("fffee00000000000"))
_KNOWN_VRS = frozenset(vr.decode() for vr in LONG_VRS | SHORT_VRS)


def take_message(data: bytes) -> None:
    """Take a P-DATA-TF PDU's body, and its fragments for a command set."""
    try:
        for _, fragment in Data(bytearray(data)).presentation_data_value_list:
            CommandSet.parse(bytes(fragment[1:]))
    except InvalidCommand:
        pass
    except ValueError as error:
        if "presentation data value" not in str(error):
            raise


def take_header(data: bytes) -> None:
    """Read identifying attributes; where pydicom reads the same data set, it reads the same values."""
    syntax, encoded = SYNTAXES[data[0] % len(SYNTAXES)], data[1:]
    try:
        values = read_values(BytesIO(encoded), len(encoded), syntax, WANTED, _MAXIMUM_BYTES)
    except (NotDicom, ObjectTooLarge):
        return
    theirs = _as_pydicom_reads(encoded, syntax)
    assert theirs is None or values == theirs, "pydicom reads another value"


def take_text(data: bytes) -> None:
    """Decode a text in whatever its character set is said to be."""
    terms, _, text = data.partition(b"\0")
    decode(text, character_set(terms))


def take_frame(data: bytes) -> None:
    """Read what the header of a compressed frame says."""
    with suppress(UndecodablePixels):
        READERS[data[0] % len(READERS)](data[1:])


def take_runs(data: bytes) -> None:
    """Count the runs of an RLE frame."""
    with suppress(UndecodablePixels):
        rle.read(data[1:], 1 + data[0] % 3, 64 * (1 + data[0] // 3))


def take_association(data: bytes) -> None:
    """Read the bodies of A-ASSOCIATE-RQ and A-ASSOCIATE-AC PDUs; what is read can be written and read again."""
    with suppress(InvalidAssociate):
        request = read_request(data)
        assert (request.calling_ae_title + request.called_ae_title).isascii()
    with suppress(InvalidAssociate):
        answer = read_answer(data)
        said = read_answer(encode_answer(answer, b"", b"")[6:])
        assert (said.contexts, said.information.roles) == (answer.contexts, answer.information.roles)


def take_hl7(data: bytes) -> None:
    """Read the messages of a block, and what they say; each value stays within what the ledger's columns take."""
    for content in messages_in(data):
        found = parse(content)
        for said in orders_in(found, Hl7ListenerSettings(), OrdersSettings()) if found is not None else ():
            assert said.study_instance_uid or said.accession_number
            assert len(said.study_instance_uid) <= 64
            assert len(said.accession_number) <= 64
            assert len(said.patient.birth_date) in (0, 8)


TAKERS: tuple[Callable[[bytes], None], ...] = (
    take_message,
    take_header,
    take_text,
    take_frame,
    take_runs,
    take_association,
    take_hl7,
)


def take(data: bytes) -> None:
    """Let the first byte choose who takes the rest."""
    if len(data) > 1:
        TAKERS[data[0] % len(TAKERS)](data[1:])


def _as_pydicom_reads(encoded: bytes, syntax: str) -> dict[int, bytes] | None:
    """Return the wanted values, or None where pydicom has no clear word on them."""
    tags = []
    is_clear = encoded[128:132] != b"DICM"

    def note(tag: int, vr: str | None, length: int) -> bool:
        nonlocal is_clear
        tags.append(int(tag))
        # Where a data set breaks DICOM's rules for these, it is read by rules of our own; an item outside of a sequence
        # (PS3.5 section 7.5) is passed over by one reader and ends the other's reading.
        is_clear &= 0x0008 <= tag >> 16 < 0xFFFE and length % 2 == 0 and (vr in _KNOWN_VRS or syntax == IMPLICIT)
        return int(tag) > max(WANTED)

    try:
        if syntax == DEFLATED:
            encoded = zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, _MAXIMUM_BYTES)
        dataset: Dataset = read_dataset(
            BytesIO(encoded),
            is_implicit_VR=syntax == IMPLICIT,
            is_little_endian=syntax != BIG_ENDIAN,
            stop_when=note,
            defer_size=None,
        )
    except Exception:  # noqa: BLE001 - a parser of foreign bytes raises anything
        return None
    if not is_clear or any(later <= earlier for earlier, later in pairwise(tags)):
        return None  # elements out of order: no reader is wrong
    elements = [element for element in dataset._dict.values() if isinstance(element, RawDataElement)]
    if any(_holds_items(element, encoded) for element in elements):
        return None
    return {int(element.tag): element.value or b"" for element in elements if int(element.tag) in WANTED}


def _holds_items(element: RawDataElement, encoded: bytes) -> bool:
    """Return whether an element seems a sequence and is more than an empty item: where it ends, we ask its items."""
    begun = encoded[element.value_tell : element.value_tell + 4]
    seems_a_sequence = element.VR == "SQ" or (element.VR is None and begun == _EMPTY_ITEMS[0][:4])
    return seems_a_sequence and element.length > 0 and element.value not in _EMPTY_ITEMS


def seeds() -> list[bytes]:
    """Return good inputs, from which bad ones are made."""
    found = [bytes((TAKERS.index(take_message),)) + data_pdu(1, 0x03, store_command(CR, "2.25.1"))[6:]]
    found += [bytes((TAKERS.index(take_header), index)) + _header(uid) for index, uid in enumerate(SYNTAXES)]
    texts = (b"ISO_IR 192\0M\xc3\xbcller", b"\\ISO 2022 IR 87\0Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B")
    found += [bytes((TAKERS.index(take_text),)) + text for text in texts]
    for index, uid in enumerate(CODECS):
        found.append(bytes((TAKERS.index(take_frame), index)) + _frame(uid))
    request = association_request([(1, CR, (EXPLICIT, IMPLICIT))], user=("name", "passcode"), roles=(CR,))[6:]
    found.append(bytes((TAKERS.index(take_association),)) + request)
    found += [bytes((TAKERS.index(take_hl7),)) + message for message in (order(), result(uid="1.2.3"))]
    return [*found, bytes((TAKERS.index(take_runs), 0)) + _frame(RLELossless)]


def _header(syntax: str) -> bytes:
    """Return the front of a phantom's data set."""
    dataset = phantoms.chest(rows=8, columns=8)
    dataset.OtherPatientIDsSequence = [Dataset()]
    del dataset.PixelData
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = syntax == IMPLICIT, syntax != BIG_ENDIAN
    write_dataset(buffer, Dataset(dataset[:0x00280000]))
    if syntax != DEFLATED:
        return buffer.getvalue()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(buffer.getvalue()) + deflater.flush()


def _frame(syntax: UID) -> bytes:
    """Return a compressed frame."""
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    dataset = phantoms.transcoded(phantoms.chest(rows=64, columns=64, bits=bits), syntax)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))
