"""Odd source images: every one gets its report, with the patient's identity intact."""

import re
import subprocess
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from service.report import build
from service.report.evidence import _ALWAYS, _WHERE_PRESENT
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from tests.invariants import Invariant
from tests.phantoms import chest, encoded
from tests.service.report.samples import EQUIPMENT, content
from tests.service.report.test_report_objects import built, texts

_KEYWORDS = [*_ALWAYS, *_WHERE_PRESENT]
_NASTY = [
    b"15/03/2019",
    b"X",
    b"20230231",
    b"2023.01.31",
    b"99999999",
    b"256060",
    b"1\\2\\3",
    b"\\",
    b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
    b"\xff\xfe\x00\x00",
    b"\r\n\t",
    b"A" * 300,
    b"^^^^^^^^=====",
    "Nguyễn^Văn".encode(),
]
_CHARACTER_SETS = [
    "",
    "ISO_IR 100",
    "ISO_IR 192",
    "\\ISO 2022 IR 87",
    "GB18030",
    "nonsense",
    "ISO_IR 192\\ISO 2022 IR 13",
]

_raw_values = st.dictionaries(st.sampled_from(_KEYWORDS), st.one_of(st.sampled_from(_NASTY), st.binary(max_size=40)))


def _with_raw(source: Dataset, values: dict[str, bytes], character_set: str) -> Dataset:
    """Put bytes into a data set as they would come from a file, undecoded."""
    for keyword, value in values.items():
        tag = Tag(tag_for_keyword(keyword) or 0)
        padded = value + b" " * (len(value) % 2)
        source[tag] = RawDataElement(tag, dictionary_VR(tag), len(padded), padded, 0, False, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.SpecificCharacterSet = character_set
        source.set_original_encoding(False, True, character_set.split("\\"))
    return source


@given(_raw_values, st.sampled_from(_CHARACTER_SETS), st.sampled_from([Outcome.NEGATIVE, Outcome.NOT_ANALYSED]))
def test_no_attribute_of_a_source_can_fail_a_report(
    values: dict[str, bytes], character_set: str, outcome: Outcome
) -> None:
    source = _with_raw(chest(rows=16, columns=16), values, character_set)
    for report in built(source, content(outcome)):
        again = dcmread(BytesIO(report.encoded()))
        assert again.SpecificCharacterSet == "ISO_IR 192"
        assert again.StudyInstanceUID == source.StudyInstanceUID
        assert again.PatientSex in ("M", "F", "O", "", None)
        assert re.fullmatch(r"(\d{8})?", again.PatientBirthDate or "")
        assert re.fullmatch(r"(\d{8})?", again.StudyDate or "")
        assert re.fullmatch(r"(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?", again.StudyTime or "")
        assert re.fullmatch(r"(\d{3}[DWMY])?", again.get("PatientAge") or "")


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 127", "قباني^لنزار"),
        ("ISO_IR 192", "Nguyễn^Văn An"),
        ("ISO_IR 100", "Äneas^Rüdiger"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_stay_intact_in_any_character_set(
    character_set: str, name: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = chest(rows=16, columns=16, SpecificCharacterSet=character_set.split("\\"), patient_name=name)
        received = dcmread(BytesIO(encoded(source)))
    for number, report in enumerate(built(received, content(Outcome.POSITIVE))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(report.encoded())
        again = dcmread(path)
        assert str(again.PatientName) == name
        assert again.SpecificCharacterSet == "ISO_IR 192"
        dump = subprocess.run([program("dcmdump"), "+P", "PatientName", path], capture_output=True, check=True)
        assert name in dump.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientBirthDate", b"15/03/2019"), ("PatientSex", b"ZQ"), ("StudyTime", b"99:99 "), ("PatientAge", b"four")],
)
def test_a_malformed_attribute_is_left_empty_and_named_without_its_value(keyword: str, value: bytes) -> None:
    source = _with_raw(chest(rows=16, columns=16), {keyword: value}, "ISO_IR 192")
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    assert not report.dataset.get(keyword)
    assert f"malformed in the source image and left empty here: {keyword}" in texts(report.dataset)
    assert value.strip() not in report.encoded()


def test_an_old_date_with_dots_is_understood() -> None:
    source = _with_raw(chest(rows=16, columns=16), {"PatientBirthDate": b"2019.03.15"}, "ISO_IR 192")
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    assert report.dataset.PatientBirthDate == "20190315"


def test_an_identifier_longer_than_the_standard_allows_is_not_cut() -> None:
    long = b"ACCESSION-NUMBER-OF-A-GREAT-HOSPITAL-00042"
    source = _with_raw(chest(rows=16, columns=16), {"AccessionNumber": long}, "ISO_IR 192")
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    assert report.dataset.AccessionNumber == long.decode()


def test_private_and_other_attributes_of_the_source_do_not_reach_a_report() -> None:
    source = chest(rows=16, columns=16, PatientComments="remark", PatientAddress="street")
    source.private_block(0x0019, "ODD VENDOR", create=True).add_new(1, "UN", b"\x01\x02\x03\x04")
    for report in built(source, content(Outcome.POSITIVE)):
        assert not {"PatientComments", "PatientAddress"} & set(report.dataset.dir())
        assert not any(element.tag.is_private for element in report.dataset)


def test_the_source_is_left_as_it_was() -> None:
    source = chest(rows=16, columns=16, PatientSex=None, StudyID=None)
    before = encoded(source)
    built(source, content(Outcome.POSITIVE))
    assert encoded(source) == before


def test_requested_procedures_follow_from_the_request_attributes() -> None:
    request = Dataset()
    request.RequestedProcedureID = "RP1"
    request.RequestedProcedureDescription = "Chest PA"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "XR1", "99LOCAL", "Chest PA"
    request.RequestedProcedureCodeSequence = [code]
    source = chest(rows=16, columns=16, RequestAttributesSequence=[request])
    for report in built(source, content(Outcome.NOT_ANALYSED)):
        [item] = report.dataset.ReferencedRequestSequence
        assert (item.RequestedProcedureID, item.RequestedProcedureDescription) == ("RP1", "Chest PA")
        assert item.RequestedProcedureCodeSequence[0].CodeValue == "XR1"
        assert item.AccessionNumber == "ACC0001"


@pytest.mark.parametrize("broken", [{"Rows": 16, "Columns": 16}, {"CodeValue": "only"}])
def test_a_broken_request_does_not_fail_a_report(broken: dict[str, Any]) -> None:
    code, request = Dataset(), Dataset()
    for keyword, value in broken.items():
        setattr(code, keyword, value)
    request.RequestedProcedureCodeSequence = [code]
    source = chest(rows=16, columns=16, RequestAttributesSequence=[request])
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    assert len(report.dataset.ReferencedRequestSequence[0].RequestedProcedureCodeSequence) == 0


@pytest.mark.proves(Invariant.NO_PATIENT_IN_LOGS)
def test_no_warning_and_no_error_quotes_the_patient(capfd: pytest.CaptureFixture[str]) -> None:
    source = _with_raw(chest(rows=16, columns=16), {"PatientName": b"SECRET", "PatientSex": b"SECRET"}, "nonsense")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for report in built(source, content(Outcome.POSITIVE)):
            report.encoded()
    assert not [str(warning.message) for warning in caught if "SECRET" in str(warning.message)]
    with pytest.raises(ValueError, match="display values") as error:
        build(source, None, content(Outcome.POSITIVE), kinds=IMAGE_KINDS, equipment=EQUIPMENT)
    assert "SECRET" not in str(error.value)
    assert "SECRET" not in "".join(capfd.readouterr())


def test_an_image_of_another_modality_gets_its_not_analysed_report() -> None:
    source = chest(rows=16, columns=16, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    reason = Reason.MODALITY
    [report] = build(
        source,
        np.zeros((16, 16), dtype=np.float32),
        content(Outcome.NOT_ANALYSED, reason=reason),
        kinds=IMAGE_KINDS,
        equipment=EQUIPMENT,
    )
    assert any("modality not accepted" in text for text in texts(report.dataset))
