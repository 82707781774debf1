import contextlib
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian

from service.dicom.header import read_values
from service.dicom.identity import Identified, identify, is_valid_uid
from service.vocabulary.acquisition import Acquisition, Machine
from service.vocabulary.errors import NotDicom, RefusedObject
from tests.service.dicom.raw_scu import CR, DEFLATED, EXPLICIT, IMPLICIT, element, header

LIMIT = 1 << 20
STUDY = 0x0020000D


def _identify(data: bytes, folder: Path, syntax: str = EXPLICIT, uid: str = "2.25.1001") -> Identified:
    path = folder / "object"
    path.write_bytes(b"head" + data)
    return identify(path, 4, sop_class_uid=CR, sop_instance_uid=uid, transfer_syntax_uid=syntax, maximum_bytes=LIMIT)


def _encoded(dataset: Dataset, syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = syntax == IMPLICIT, syntax != ExplicitVRBigEndian
    write_dataset(buffer, dataset)
    encoded = buffer.getvalue()
    if syntax != DEFLATED:
        return encoded
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(encoded) + compressor.flush()


# Names as they are written in hospitals, each in the character sets that its modalities use (PS3.5 Annexes H, I, J, K).
NAMES = [
    ("ISO_IR 192", "Nguyễn^Văn An", "Nguyễn^Văn An".encode()),
    ("ISO_IR 192", "山田^太郎", "山田^太郎".encode()),
    ("ISO_IR 127", "قباني^لنزار", "قباني^لنزار".encode("iso8859_6")),
    ("ISO_IR 100", "Äneas^Rüdiger", "Äneas^Rüdiger".encode("latin_1")),
    ("ISO_IR 144", "Люк", "Люк".encode("iso8859_5")),
    ("ISO_IR 126", "Διονυσιος", "Διονυσιος".encode("iso8859_7")),
    ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis")),
    ("GB18030", "王^小东", "王^小东".encode("gb18030")),
    (
        "\\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
    ),
    (
        "\\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    (
        "\\ISO 2022 IR 58",
        "Zhang^XiaoDong=张^小东",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
    ),
]


@pytest.mark.parametrize(("character_set", "name", "encoded"), NAMES)
def test_a_name_is_decoded_by_its_character_set(tmp_path: Path, character_set: str, name: str, encoded: bytes) -> None:
    data = header(character_set=character_set.encode(), patient_name=encoded)
    assert _identify(data, tmp_path)[0].patient_name == name


def test_bytes_that_no_character_set_explains_stay_apart(tmp_path: Path) -> None:
    names = {
        _identify(header(character_set=b"ISO_IR 192", patient_name=name), tmp_path)[0].patient_name
        for name in (b"A\xff", b"A\xfe")
    }
    assert names == {"Aÿ", "Aþ"}


def test_a_name_s_empty_ends_and_padding_make_no_difference(tmp_path: Path) -> None:
    digests = {
        _identify(header(patient_name=name), tmp_path)[0].digest()
        for name in (b"Doe^Jane", b"Doe^Jane^^^", b"Doe^Jane  ", b"Doe^Jane^==")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, ExplicitVRBigEndian, DEFLATED])
@given(
    name=st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\^=\x1b"), max_size=40
    ),
    number=st.text("0123456789ABC-", max_size=20),
    depth=st.integers(0, 4),
    endless=st.booleans(),
)
def test_what_pydicom_wrote_is_read_in_every_encoding(
    tmp_path_factory: pytest.TempPathFactory, syntax: str, name: str, number: str, depth: int, endless: bool
) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CR, "2.25.1001"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.2", "2.25.3"
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = name, number, number[:16]
    inner = Dataset()
    for _ in range(depth):
        outer = Dataset()
        inner.is_undefined_length_sequence_item = endless
        outer.ReferencedImageSequence = Sequence([inner])
        outer["ReferencedImageSequence"].is_undefined_length = endless
        inner = outer
    dataset.update(inner)
    folder = tmp_path_factory.mktemp("identity")
    identity, own, _ = _identify(_encoded(dataset, syntax), folder, syntax)
    assert not own
    assert identity.patient_name == name.strip()
    assert (identity.patient_id, identity.accession_number) == (number, number[:16])
    assert (identity.study_instance_uid, identity.series_instance_uid) == ("2.25.2", "2.25.3")


@given(
    position=st.integers(0, len(header()) - 1),
    replacement=st.binary(min_size=1, max_size=8),
    cut=st.integers(0, len(header())),
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, ExplicitVRBigEndian, DEFLATED]),
)
def test_whatever_the_bytes_the_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, replacement: bytes, cut: int, syntax: str
) -> None:
    data = bytearray(header())
    data[position : position + len(replacement)] = replacement
    with contextlib.suppress(RefusedObject):
        _identify(bytes(data[:cut]), tmp_path_factory.mktemp("fuzz"), syntax)


def test_an_unknown_sequence_of_undefined_length_is_implicit_inside(tmp_path: Path) -> None:
    item = struct.pack("<HHL", 0x0008, 0x0100, 4) + b"CODE"
    unknown = (
        b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff"
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + item
        + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
        + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    )
    front = header()[: header().index(b"\x10\0\x10\0PN")]
    assert _identify(front + unknown + header()[len(front) :], tmp_path)[0].patient_id == "RAW-1"


def test_pixel_data_are_never_read() -> None:
    class Counting(BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.taken += len(piece)
            return piece

    data = header() + b"\xe0\x7f\x10\0OW\0\0\0\0\x10\0" + bytes(1 << 20)
    file = Counting(data)
    assert read_values(file, len(data), EXPLICIT, {STUDY, STUDY + 1}, LIMIT)[STUDY] == b"2.25.2001\0"
    assert file.taken < 20_000  # a window


def test_a_long_value_that_nobody_asked_for_is_skipped_and_one_that_lies_is_found_out() -> None:
    front = element(0x00080005, "CS", b"ISO_IR 6") + element(0x00081030, "UT", b"x" * 100_000)
    data = front + element(STUDY, "UI", b"2.25.7")
    assert read_values(BytesIO(data), len(data), EXPLICIT, {STUDY}, LIMIT) == {STUDY: b"2.25.7"}
    with pytest.raises(NotDicom, match="ends within an attribute's value"):
        read_values(BytesIO(front[:-1]), len(front) - 1, EXPLICIT, {STUDY}, LIMIT)


@pytest.mark.parametrize(
    ("uid", "valid"),
    [
        ("1.2.3", True),
        ("2.25." + "9" * 39, True),
        ("1." + "2" * 62, True),
        ("1." + "2" * 63, False),
        ("1.02.3", True),
        ("1", False),
        ("", False),
        ("1..2", False),
        ("1.2.", False),
        (".1.2", False),
        ("1.2.a", False),
        ("1.2\n", False),
        ("1.٣", False),
    ],
)
def test_a_uid_has_components_of_digits_and_64_characters_at_most(uid: str, valid: bool) -> None:
    assert is_valid_uid(uid) is valid


def test_a_machines_name_of_many_kilobytes_refuses_no_image(tmp_path: Path) -> None:
    station = element(0x00081010, "UT", b"x" * 5000)
    front = header()[: header().index(b"\x10\0\x10\0PN")]
    identified = _identify(front + station + header()[len(front) :], tmp_path)
    assert identified.identity.patient_id == "RAW-1"
    assert identified.acquisition.machine.station_name == ""


def test_the_machine_is_read_with_the_identity(tmp_path: Path) -> None:
    view = element(0x00181000, "LO", b"A5041") + element(0x00185101, "CS", b"AP")
    data = header(manufacturer=b"Agfa", model_name=b"DX-D 300")
    front = data[: data.index(struct.pack("<HH", 0x0020, 0x000D))]
    acquisition = _identify(front + view + data[len(front) :], tmp_path).acquisition
    assert acquisition == Acquisition(Machine("Agfa", "DX-D 300", "", "A5041"), "AP", None)
