"""Reports in another language: the same facts, named in the DICOM way, and legible in the picture."""

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ImageFont
from pydicom import dcmread
from pydicom.dataset import Dataset

from service.report.overlay import _font
from service.report.sentences import result_sentence
from service.texts import vietnamese
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind
from tests.phantoms import chest
from tests.service.report.samples import content
from tests.service.report.test_report_objects import built, items, texts


def _languages(dataset: Dataset) -> list[tuple[str, str]]:
    return [
        (item.ConceptCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodingSchemeDesignator)
        for item in items(dataset)
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == "121049"
    ]


@pytest.mark.parametrize(("language", "code"), [(Language.ENGLISH, "en-US"), (Language.VIETNAMESE, "vi")])
def test_both_documents_name_their_language(language: Language, code: str) -> None:
    """PS3.16 TID 1204."""
    for report in built(chest(), content(Outcome.POSITIVE, language=language)):
        if report.kind is not ReportKind.SECONDARY_CAPTURE:
            assert _languages(report.dataset) == [(code, "RFC5646")]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_vietnamese_report_holds_its_sentences_and_other_programs_read_it(
    outcome: Outcome, program: Callable[[str], str], tmp_path: Path
) -> None:
    what = content(outcome, language=Language.VIETNAMESE)
    for number, report in enumerate(built(chest(), what)):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(report.encoded())
        again = dcmread(BytesIO(report.encoded()))
        assert again.SpecificCharacterSet == "ISO_IR 192"
        assert len(again.SeriesDescription) <= 64
        assert again.SeriesDescription == vietnamese.TEXTS[f"report.series.{report.kind.value}"]
        verified = subprocess.run([program("dciodvfy"), path], capture_output=True, check=False)
        assert [
            line for line in verified.stderr.decode(errors="replace").splitlines() if line.startswith("Error")
        ] == []
        if report.kind is ReportKind.TEXT_SR:
            assert any(result_sentence(what) in text for text in texts(again))
            dump = subprocess.run([program("dsrdump"), "-Ee", "+Pl", path], capture_output=True, check=True)
            assert result_sentence(what) in dump.stdout.decode(errors="replace")


def test_the_font_of_the_picture_has_every_letter_of_every_language() -> None:
    font = _font(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    missing = bytes(font.getmask("\U0010ffff"))
    letters = {letter for text in vietnamese.TEXTS.values() for letter in text if letter > " "}
    assert [letter for letter in sorted(letters) if bytes(font.getmask(letter)) == missing] == []
