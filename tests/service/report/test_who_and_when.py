"""Who and when, as devices write it: the ledger, the page and all three objects say the same as the image."""

import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from service.dicom.characters import character_set, decode
from service.dicom.identity import identify
from service.dicom.normalised import normalised
from service.dicom.pixels import read_instance
from service.report import BuiltObject, build
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from service.vocabulary.report_kinds import ReportKind
from service.wording import person_name
from tests.phantoms import chest, encoded
from tests.service.dicom.raw_scu import element
from tests.service.report.samples import EQUIPMENT, content
from tests.service.report.test_report_objects import built

# The declared character set, Patient's Name as written, and who it is.
NAMES: dict[str, tuple[str, bytes, str]] = {
    "PS3.5 K.2, GB 2312": (
        r"\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东",
    ),
    "GB 2312 as the only value": (
        "ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    "GB 2312 not designated anew behind a delimiter": (
        r"\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    "GB 2312 never designated": (r"\ISO 2022 IR 58", b"\xd5\xc5^\xd0\xa1\xb6\xab", "张^小东"),
    "PS3.5 H.3.1, JIS X 0208": (
        r"\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "PS3.5 H.3.2, JIS X 0201 and 0208": (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "JIS X 0212": (
        r"ISO 2022 IR 6\ISO 2022 IR 87\ISO 2022 IR 159",
        b"Sato^Aki=\x1b$(D\x30\x21\x1b(B^\x1b$BB@\x1b(B",
        "Sato^Aki=丂^太",
    ),
    "JIS X 0201 alone": ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    "PS3.5 I.2, KS X 1001": (
        r"\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "KS X 1001 never designated": (r"\ISO 2022 IR 149", b"\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동"),
    "PS3.5 J.3": ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东"),
    "GBK, one byte of which is a backslash": ("GBK", "旺^誠\\".encode("gbk")[:-1], "旺^誠"),
    "GB18030, four bytes": ("GB18030", "Wang^Li=王^𠮷".encode("gb18030"), "Wang^Li=王^𠮷"),
    "PS3.5 J.1, UTF-8": ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東"),
    "Vietnamese": ("ISO_IR 192", "Nguyễn^Văn An".encode(), "Nguyễn^Văn An"),
    "Thai": ("ISO_IR 166", "นามสกุล^ชื่อ".encode("tis_620"), "นามสกุล^ชื่อ"),
    "Latin 9": ("ISO_IR 203", "Šœur^Žoé".encode("iso8859_15"), "Šœur^Žoé"),
    "several single-byte sets": (
        r"ISO 2022 IR 100\ISO 2022 IR 144\ISO 2022 IR 126",
        b"L\xfcdtke^J\xf6rg=\x1b-L" + "Люк".encode("iso8859_5") + b"^\x1b-F" + "Διο".encode("iso8859_7"),
        "Lüdtke^Jörg=Люк^Διο",
    ),
    "a misspelled term": ("iso-ir_100", "Äneas^Rüdiger".encode("latin_1"), "Äneas^Rüdiger"),
    "no term, Western": ("", "Äneas^Rüdiger".encode("latin_1"), "Äneas^Rüdiger"),
    "no term, UTF-8": ("", "Äneas^Rüdiger".encode(), "Äneas^Rüdiger"),
    "a term that nobody knows": ("nonsense", "Nguyễn^An".encode(), "Nguyễn^An"),
    "an escape sequence that is not declared": ("ISO_IR 6", b"Zhang^Li=\x1b$)A\xd5\xc5", "Zhang^Li=张"),
    "UTF-8 declared, Western written": ("ISO_IR 192", "Jérôme^Zoé".encode("latin_1"), "Jérôme^Zoé"),
    "two names where one is allowed": ("ISO_IR 100", b"One^Anna\\Two^Bert", "One^Anna Two^Bert"),
    "empty ends": ("ISO_IR 100", b"Doe^Jane^^^==", "Doe^Jane"),
    "an ideographic group alone": ("ISO_IR 100", b"=\xc4^B", "=Ä^B"),
}


def _file(values: dict[str, bytes], term: str) -> bytes:
    """Return an image as a file, its attributes as the bytes that a device wrote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = chest(rows=16, columns=16, SpecificCharacterSet="ISO_IR 100")
        for keyword in values:
            setattr(source, keyword, "Z0")
        file = encoded(source)
    for keyword, value in ({"SpecificCharacterSet": term.encode()} | values).items():
        tag, stand_in = tag_for_keyword(keyword) or 0, b"Z0" if keyword in values else b"ISO_IR 100"
        file = file.replace(element(tag, dictionary_VR(tag), stand_in), element(tag, dictionary_VR(tag), value))
    return file


def _both(values: dict[str, bytes], term: str, folder: Path) -> tuple[Identity, Dataset]:
    """Return what the listener registers of an image, and the image as a worker reads it."""
    file = _file(values, term)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of terms that it does not know
        received = read_instance(BytesIO(file))
    identity, _, _ = identify(
        _written(folder / "object", file),
        144 + int.from_bytes(file[140:144], "little"),
        sop_class_uid=received.SOPClassUID,
        sop_instance_uid=received.SOPInstanceUID,
        transfer_syntax_uid=received.file_meta.TransferSyntaxUID,
        maximum_bytes=1 << 20,
    )
    return identity, received


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _text_report(source: Dataset) -> BuiltObject:
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    return report


@pytest.mark.parametrize(("term", "written", "name"), NAMES.values(), ids=NAMES)
def test_a_name_is_one_name_in_ledger_and_report(term: str, written: bytes, name: str, tmp_path: Path) -> None:
    """PS3.5 Annexes H to K."""
    identity, source = _both({"PatientName": written, "ReferringPhysicianName": written}, term, tmp_path)
    again = dcmread(BytesIO(_text_report(source).encoded()))
    assert identity.patient_name == name
    assert (str(again.PatientName), str(again.ReferringPhysicianName)) == (name, name)
    assert again.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("term", [r"\ISO 2022 IR 58", r"\ISO 2022 IR 149", "GB18030"])
def test_all_three_objects_have_the_name_and_other_programs_read_it(
    term: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    written, name = next((bytes_, name) for declared, bytes_, name in NAMES.values() if declared == term)
    identity, source = _both({"PatientName": written, "StudyTime": b"10:11:12.1234567"}, term, tmp_path)
    for number, report in enumerate(built(source, content(Outcome.POSITIVE))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(report.encoded())
        assert str(dcmread(path).PatientName) == name == identity.patient_name
        dump = subprocess.run([program("dcmdump"), "+P", "PatientName", path], capture_output=True, check=True)
        assert str(name) in dump.stdout.decode()
        verified = subprocess.run([program("dciodvfy"), path], capture_output=True, check=False)
        errors = [line for line in verified.stderr.decode().splitlines() if line.startswith("Error")]
        assert not errors
        if report.kind is not ReportKind.SECONDARY_CAPTURE:
            subprocess.run([program("dsrdump"), "-Ee", path], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("keyword", "written", "value"),
    [
        ("StudyTime", b"10:11:12", "101112"),
        ("StudyTime", b"10:11:12.1234567", "101112.123456"),
        ("StudyTime", b"101112.123456789", "101112.123456"),
        ("StudyTime", b"101112.", "101112"),
        ("StudyTime", b"101112,5", "101112.5"),
        ("StudyTime", b"10:11", "1011"),
        ("StudyTime", b"10.11.12", "101112"),
        ("StudyTime", b"9:05:00", "090500"),
        ("StudyTime", b"235960", "235960"),
        ("StudyTime", b"10", "10"),
        ("StudyTime", b" 101112 ", "101112"),
        ("StudyTime", b"246060", None),
        ("StudyTime", b"101", None),
        ("StudyDate", b"2026.01.02", "20260102"),
        ("StudyDate", b"2026-01-02", "20260102"),
        ("StudyDate", b"2026/01/02", "20260102"),
        ("StudyDate", b"2026-0102", None),
        ("StudyDate", b"20260230", None),
        ("StudyDate", b"01/02/2026", None),
        ("PatientAge", b"3Y", "003Y"),
        ("PatientAge", b"018m", "018M"),
        ("PatientAge", b"0Y3", None),
        ("TimezoneOffsetFromUTC", b"+07:00", "+0700"),
        ("TimezoneOffsetFromUTC", b"Z", "+0000"),
    ],
)
def test_a_date_or_a_time_of_another_form_is_brought_into_dicom_s(
    keyword: str, written: bytes, value: str | None, tmp_path: Path
) -> None:
    """PS3.5 section 6.2; what can mean two things, or nothing, is left empty and named."""
    _, source = _both({keyword: written}, "ISO_IR 100", tmp_path)
    report = _text_report(source)
    assert (dcmread(BytesIO(report.encoded())).get(keyword) or None) == value
    assert (keyword.encode() in report.encoded()) is (value is None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PatientBirthDate": b"2019.03.15"}, {"birth_date": "20190315"}),
        ({"PatientBirthDate": b"2019-03-15", "PatientSex": b"m"}, {"birth_date": "20190315", "sex": "M"}),
        ({"PatientSex": b"FEMALE"}, {"sex": "F"}),
        ({"PatientID": b" 00\tA7 ", "AccessionNumber": b"A\x00"}, {"patient_id": "00A7", "accession_number": "A"}),
    ],
)
def test_the_ledger_and_the_report_have_one_form(
    values: dict[str, bytes], expected: dict[str, str], tmp_path: Path
) -> None:
    identity, source = _both(values, "ISO_IR 100", tmp_path)
    again = dcmread(BytesIO(_text_report(source).encoded()))
    assert replace(identity, **expected) == identity
    assert again.PatientBirthDate == identity.birth_date
    assert (again.PatientSex, again.PatientID) == (identity.sex, identity.patient_id)
    assert again.AccessionNumber == identity.accession_number


def test_a_requested_procedure_has_its_own_character_set_or_its_parent_s(tmp_path: Path) -> None:
    """PS3.3 section C.12.1.1.2: an item without Specific Character Set has its parent's."""
    source = chest(rows=16, columns=16, SpecificCharacterSet="ISO_IR 192")
    source.RequestAttributesSequence = [Dataset(), Dataset()]
    for item, term in zip(source.RequestAttributesSequence, (None, "GB18030"), strict=True):
        if term is not None:
            item.SpecificCharacterSet = term
        item.RequestedProcedureDescription = "胸部"
    report = dcmread(BytesIO(_text_report(dcmread(BytesIO(encoded(source)))).encoded()))
    described = [item.RequestedProcedureDescription for item in report.ReferencedRequestSequence]
    assert described == ["胸部", "胸部"]


def test_what_pydicom_has_decoded_by_now_is_read_from_its_bytes() -> None:
    _, written, name = NAMES["PS3.5 K.2, GB 2312"]
    source = dcmread(BytesIO(_file({"PatientName": written}, r"\ISO 2022 IR 58")))
    assert str(source.PatientName) != name  # pydicom 3.0 loses the ideographs of this character set
    assert str(_text_report(source).dataset.PatientName) == name


def test_the_page_shows_both_scripts() -> None:
    assert person_name("Zhang^XiaoDong=张^小东") == "Zhang, XiaoDong (张 小东)"


@given(st.binary(max_size=64), st.sampled_from(["", r"\ISO 2022 IR 58", "GBK", "ISO_IR 192", r"ISO_IR 13\x\\"]))
def test_no_bytes_fail_and_none_leave_what_a_value_cannot_hold(value: bytes, term: str) -> None:
    for is_name in (True, False):
        text = decode(value, character_set(term.encode()), is_name=is_name)
        assert text == text.strip()
        assert text.encode().decode() == text
        assert "\0" not in text
        assert "\x1b" not in text


@given(st.sampled_from(["StudyDate", "StudyTime", "PatientAge", "PatientName", "PatientSex"]), st.text(max_size=24))
def test_normalising_twice_changes_nothing_more(keyword: str, text: str) -> None:
    once = normalised(keyword, text)
    assert once is None or normalised(keyword, once) == once
