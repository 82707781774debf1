import struct
import zlib
from pathlib import Path

import pytest

from service.settings import load
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.dicom.raw_scu import CR, DEFLATED, EXPLICIT, IMPLICIT, RawAssociation, Response, element, header
from tests.service.listening import listening, send

SUCCESS = 0x0000
NOT_DICOM, MISSING, INVALID_UID, TOO_LARGE, CONTRADICTS = 0xC000, 0xC001, 0xC002, 0xC010, 0xA900
UID_OF_70 = "1.2.826.0.1." + "1" * 58
SEQUENCE_WITHOUT_END = element(0x00080005, "CS", b"ISO_IR 6") + b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"


def _sent(tmp_path: Path, data: bytes, **request: object) -> Response:
    """Send one data set; whatever the answer, the association and the next object must not suffer."""
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        response = assoc.store(data, **request)  # type: ignore[arg-type]
        assert assoc.store(header("2.25.5005"), sop_instance_uid="2.25.5005").status == SUCCESS
        assoc.release()
        expected = 1 if response.status else 2
        assert len(site.instances) == expected
        assert site.half_received == []
        files = [path for path in site.settings.objects_dir.rglob("*") if path.is_file()]
        assert len(files) == expected, "a refused object stays in the store"
        return response


@pytest.mark.proves(Invariant.BAD_OBJECT_HAS_A_STATE)
@pytest.mark.parametrize(
    ("data", "status", "comment"),
    [
        pytest.param(b"", NOT_DICOM, "the data set is empty", id="empty"),
        pytest.param(b"%PDF-1.7 this is no image at all" * 9, NOT_DICOM, "no known VR", id="not DICOM"),
        pytest.param(bytes(4096), NOT_DICOM, "no known VR", id="zeros"),
        pytest.param(b"\x08", NOT_DICOM, "ends within an element", id="one byte"),
        pytest.param(header()[:-3], NOT_DICOM, "ends within an attribute", id="truncated in a UID"),
        pytest.param(header()[:20], NOT_DICOM, "ends within an attribute", id="truncated in the header"),
        pytest.param(SEQUENCE_WITHOUT_END, NOT_DICOM, "ends within a sequence", id="sequence without end"),
        pytest.param(header(sop_class_uid=None), MISSING, "SOP Class UID (0008,0016)", id="no SOP class"),
        pytest.param(header(sop_instance_uid=None), MISSING, "SOP Instance UID", id="no SOP instance"),
        pytest.param(header(study_instance_uid=None), MISSING, "Study Instance UID", id="no study"),
        pytest.param(header(study_instance_uid=b""), MISSING, "Study Instance UID", id="empty study"),
        pytest.param(header(series_instance_uid=None), MISSING, "Series Instance UID", id="no series"),
        pytest.param(header(study_instance_uid=UID_OF_70.encode()), INVALID_UID, "Study", id="study UID of 70"),
        pytest.param(header(series_instance_uid=b"1.2.drei"), INVALID_UID, "Series", id="letters in a UID"),
        pytest.param(header(study_instance_uid=b"1..2"), INVALID_UID, "Study", id="empty component"),
        pytest.param(header("2.25.77"), CONTRADICTS, "SOP Instance UID (0008,0018)", id="another instance"),
        pytest.param(
            header(sop_class_uid=b"1.2.840.10008.5.1.4.1.1.2"), CONTRADICTS, "SOP Class UID", id="wrong SOP class"
        ),
        pytest.param(header(patient_id=b"x" * 5000), NOT_DICOM, "(0010,0020) is longer", id="endless patient ID"),
    ],
)
def test_what_cannot_be_understood_gets_its_status_and_the_association_goes_on(
    tmp_path: Path, data: bytes, status: int, comment: str
) -> None:
    response = _sent(tmp_path, data)
    assert response.status == status
    assert comment in response.comment
    assert len(response.comment) <= 64


def test_a_request_with_a_uid_of_70_characters_is_refused_without_an_abort(tmp_path: Path) -> None:
    response = _sent(tmp_path, header(UID_OF_70), sop_instance_uid=UID_OF_70)
    assert response.status == INVALID_UID
    assert UID_OF_70.encode() not in response.encoded


def test_a_request_of_another_class_than_its_presentation_context_is_refused(tmp_path: Path) -> None:
    other = "1.2.840.10008.5.1.4.1.1.2"
    assert _sent(tmp_path, header(sop_class_uid=other.encode()), sop_class_uid=other).status == CONTRADICTS


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(header(), id="no pixel data"),
        pytest.param(header() + b"\xe0\x7f\x10\x00OW\0\0\xff\xff\0\0\1\2", id="truncated pixel data"),
        pytest.param(header(study_date=b"20249999", birth_date=b"15/03/2019"), id="malformed dates"),
        pytest.param(header(character_set=b"NO SUCH SET", patient_name=b"\xff\xfe"), id="unknown character set"),
        pytest.param(header(study_instance_uid=b"1.02.003"), id="leading zeros in a UID"),
        pytest.param(header() + element(0x00290010, "LO", b"VENDOR") + element(0x00291001, "UN", b"\1"), id="private"),
        pytest.param(header() + b"\xe0\x7f", id="cut after the identity"),
    ],
)
def test_what_a_worker_will_judge_is_accepted(tmp_path: Path, data: bytes) -> None:
    assert _sent(tmp_path, data).status == SUCCESS


def test_an_image_of_one_pixel_and_one_with_private_tags_in_front_are_accepted(tmp_path: Path) -> None:
    private = chest(1, rows=8, columns=8)
    private.add_new(0x00090010, "LO", "VENDOR")
    private.add_new(0x00091001, "UN", b"\0\1\2\3" * 1000)
    with listening(tmp_path) as site:
        assert send(site.port, chest(rows=1, columns=1), private) == [SUCCESS, SUCCESS]
        assert {instance.state for instance in site.instances} == {State.RECEIVED.value}


def test_a_data_set_in_another_encoding_than_agreed_is_not_guessed_at(tmp_path: Path) -> None:
    context = [(1, CR, (IMPLICIT,))]
    with listening(tmp_path) as site, RawAssociation(site.port, context) as assoc:
        assert assoc.store(header()).status == NOT_DICOM


def test_a_request_without_a_data_set_is_answered(tmp_path: Path) -> None:
    from tests.service.dicom.raw_scu import data_pdu, store_command

    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        assoc.connection.sendall(data_pdu(1, 0x03, store_command(CR, "2.25.1", data_set=False)))
        assert assoc.response().status == NOT_DICOM


def test_a_header_of_countless_items_is_refused_instead_of_built_in_memory(tmp_path: Path) -> None:
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 200_000
    data = SEQUENCE_WITHOUT_END + items
    response = _sent(tmp_path, data)
    assert (response.status, response.comment[:27]) == (NOT_DICOM, "the data set has more than ")


def test_sequences_nested_beyond_any_recursion_are_passed_through(tmp_path: Path) -> None:
    depth = 20_000
    opened = (b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * depth
    closed = (b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0") * depth
    front, back = header()[: header().index(b"\x10\x00")], header()[header().index(b"\x10\x00") :]
    assert _sent(tmp_path, front + opened + closed + back).status == SUCCESS


def _deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(_deflated(header()), SUCCESS, id="proper"),
        pytest.param(header(), NOT_DICOM, id="not deflated"),
        pytest.param(
            _deflated(header() + b"\xe0\x7f\x10\x00OB\0\0\0\0\0\x10" + bytes(1 << 26)), TOO_LARGE, id="bomb of pixels"
        ),
        pytest.param(
            _deflated(b"\x08\x00\x01\x00UN\0\0\0\0\0\x10" + bytes(1 << 26) + header()), TOO_LARGE, id="bomb in front"
        ),
    ],
)
def test_a_deflated_data_set_is_inflated_no_further_than_the_limit(tmp_path: Path, data: bytes, status: int) -> None:
    context = [(1, CR, (DEFLATED,))]
    with (
        listening(tmp_path, maximum_object_bytes=1 << 25) as site,
        RawAssociation(site.port, context) as assoc,
    ):
        assert assoc.store(data).status == status


def test_the_size_limit_counts_the_data_set_and_refuses_the_first_byte_beyond(tmp_path: Path) -> None:
    limit = load(data_dir=tmp_path).listener.maximum_object_bytes
    assert limit == 256 * 1024**2
    pixels = b"\xe0\x7f\x10\x00OW\0\0\0\0\1\0"
    data = header() + pixels
    with listening(tmp_path, maximum_object_bytes=4096) as site, RawAssociation(site.port, [(1, CR, (EXPLICIT,))]) as a:
        assert a.store(data + bytes(4096 - len(data) + 1)).status == TOO_LARGE
        assert a.store(data + bytes(4096 - len(data))).status == SUCCESS
        assert site.half_received == []
