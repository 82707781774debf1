"""Reports from templates: the bytes that highdicom makes, and nothing of any patient but their own."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from highdicom import _standard_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from service.report import ReportContent, StudyContent, build
from service.report.build import drafts_of, recipe_of
from service.report.draft import Draft
from service.report.making.files import made
from service.report.making.tables import ModuleTables, read_module
from service.report.template import Form, ReportTemplates, Varying, encoded, plain, shape_of
from service.vocabulary.facts import Failure, Flag, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, STUDY_KINDS, ReportKind
from service.vocabulary.states import Priority
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, FINDINGS, content, prediction, radiograph

_DISPLAY = radiograph(96, 80)
_ALL = IMAGE_KINDS


def _from_scratch(draft: Draft) -> bytes:
    """Return the file as highdicom makes it of the values themselves."""
    return made(draft.kind, recipe_of(draft))


_text = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\"), min_size=1, max_size=20)
_name = st.one_of(
    _text, st.sampled_from(["Nguyễn^Văn An", "Yamada^Tarou=山田^太郎=やまだ^たろう", "A^B^^Dr", "=x", "X"])
)
_date = st.dates().map(lambda day: day.isoformat().replace("-", ""))
_attributes: dict[str, st.SearchStrategy[Any]] = {
    "PatientName": _name,
    "PatientID": _text,
    "IssuerOfPatientID": _text,
    "PatientBirthDate": st.one_of(_date, st.just("15/03/2019")),
    "PatientSex": st.sampled_from(["M", "F", "O", "", "X"]),
    "PatientAge": st.integers(0, 120).map(lambda years: f"{years:03}Y"),
    "StudyDate": _date,
    "StudyTime": st.sampled_from(["", "09", "0930", "093000", "093000.123456"]),
    "StudyID": _text,
    "AccessionNumber": _text,
    "ReferringPhysicianName": _name,
    "StudyDescription": _text,
    "TimezoneOffsetFromUTC": st.sampled_from(["+0700", "-0330"]),
    "PatientOrientation": st.just(["L", "F"]),
    "Laterality": st.sampled_from(["L", "R"]),
    "BodyPartExamined": st.sampled_from(["CHEST", "THORAX"]),
    "Manufacturer": _text,
    "ManufacturerModelName": _text,
    "DeviceSerialNumber": _text,
    "StationName": _text,
    "InstitutionName": _text,
    "PlacerOrderNumberImagingServiceRequest": _text,
    "ViewPosition": st.sampled_from(["PA", "AP", "LL"]),
    "InstanceNumber": st.integers(1, 99),
    "SOPInstanceUID": st.integers(1, 10**30).map(lambda number: f"1.2.{number}"),
    "SeriesInstanceUID": st.integers(1, 10**30).map(lambda number: f"1.3.{number}"),
    "StudyInstanceUID": st.integers(1, 10**30).map(lambda number: f"1.4.{number}"),
    "Rows": st.integers(1, 65535),
    "Columns": st.integers(1, 65535),
}


@st.composite
def _sources(draw: st.DrawFn) -> Dataset:
    source = chest(rows=16, columns=16, PatientAge=None)
    for keyword, value in draw(st.fixed_dictionaries({}, optional=_attributes)).items():
        setattr(source, keyword, value)
    if draw(st.booleans()):
        request = Dataset()
        request.RequestedProcedureID = draw(_text)
        request.AccessionNumber = draw(st.one_of(st.just(""), _text))
        source.RequestAttributesSequence = [request]
    return source


@st.composite
def _contents(draw: st.DrawFn) -> ReportContent:
    outcome = draw(st.sampled_from(Outcome))
    shared: dict[str, Any] = {
        "flags": tuple(draw(st.sets(st.sampled_from(Flag), max_size=2))),
        "priority": draw(st.sampled_from(Priority)),
        "priority_source": draw(st.one_of(st.none(), st.sampled_from(PrioritySource))),
        "content_time": draw(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))),
        "superseding_reason": draw(st.one_of(st.none(), st.sampled_from(Supersession))),
        "after_reading": draw(st.booleans()),
        "language": draw(st.sampled_from(Language)),
        "number": draw(st.integers(1, 50)),
        "type_margin": draw(st.one_of(st.none(), st.floats(0, 1))),
        "other_images": tuple(draw(st.lists(st.sampled_from(Outcome), max_size=3))),
        "population": draw(st.one_of(st.just(""), _text)),
    }
    if outcome is Outcome.NOT_ANALYSED:
        reason = draw(st.sampled_from([*Reason, Failure.ANALYSIS_FAILED]))
        return content(outcome, reason=reason, attempted=draw(st.booleans()), **shared)
    normal, bacterial, viral = (draw(st.floats(0.001, 1)) for _ in range(3))
    total = normal + bacterial + viral
    cam = np.clip(np.random.default_rng(draw(st.integers(0, 99))).normal(0.2, 0.5, (7, 7)), 0, 1).astype(np.float32)
    result = prediction(
        outcome,
        probabilities=dict(zip(FINDINGS, (normal / total, bacterial / total, viral / total), strict=True)),
        p_pneumonia=(bacterial + viral) / total,
        pneumonia_type=draw(st.sampled_from([None, Finding.VIRAL_PNEUMONIA])),
        cam=cam,
    )
    return content(outcome, prediction=result, **shared)


def _predecessors(source: Dataset) -> list[Dataset]:
    """Return an earlier report set, of the same study and of another."""
    earlier = []
    for uid in (source.StudyInstanceUID, "1.2.3"):
        image = chest(rows=16, columns=16, study_instance_uid=uid)
        objects = build(image, _DISPLAY, content(Outcome.POSITIVE), kinds=_ALL, equipment=EQUIPMENT)
        earlier += [each.dataset for each in objects]
    return earlier


@settings(max_examples=12)
@given(_sources(), _contents(), st.booleans())
@pytest.mark.proves(Invariant.UID_NAMES_ONE_CONTENT)
def test_a_report_from_a_template_is_what_highdicom_makes_byte_for_byte(
    source: Dataset, what: ReportContent, supersedes: bool
) -> None:
    earlier = _predecessors(source) if supersedes and what.superseding_reason is not None else []
    equipment = replace(EQUIPMENT, institution="")
    arguments: dict[str, Any] = {"kinds": _ALL, "equipment": equipment, "predecessors": earlier}
    drafts = drafts_of(source, _DISPLAY, what, **arguments)
    built = build(source, _DISPLAY, what, **arguments)
    assert [each.kind for each in built] == [draft.kind for draft in drafts]
    for each, draft in zip(built, drafts, strict=True):
        assert each.encoded() == _from_scratch(draft)
        assert each.dataset.SOPInstanceUID == each.sop_instance_uid


def test_a_study_report_is_what_highdicom_makes_whichever_images_share_a_series() -> None:
    """Which UIDs are equal decides how an object lists them, so it is of the shape; the predecessor's vary too."""
    source, what = chest(), content(Outcome.POSITIVE)
    for seed, same in ((30, True), (40, True), (50, False)):
        others = [chest(seed + n, study_instance_uid=str(source.StudyInstanceUID)) for n in (0, 1)]
        if same:
            others[1].SeriesInstanceUID = others[0].SeriesInstanceUID
        earlier: list[Dataset] = []
        for number, found in enumerate((None, content(Outcome.NEGATIVE)), start=1):
            images = ((source, what), *((image, found) for image in others))
            study = StudyContent(images, priority=what.priority, priority_source=None, number=number)
            arguments: dict[str, Any] = {"kinds": STUDY_KINDS, "equipment": EQUIPMENT}
            arguments |= {"predecessors": earlier, "study": study}
            [report] = build(source, None, what, **arguments)
            [draft] = drafts_of(source, None, what, **arguments)
            assert report.encoded() == _from_scratch(draft)
            earlier = [report.dataset]


_ONE = {
    "PatientName": "ONE-NAME^ONE",
    "PatientID": "ONE-ID",
    "IssuerOfPatientID": "ONE-ISSUER",
    "PatientBirthDate": "20010101",
    "PatientAge": "011Y",
    "StudyDate": "20110101",
    "StudyTime": "071101",
    "StudyID": "ONE-STUDY",
    "AccessionNumber": "ONE-ACC",
    "ReferringPhysicianName": "ONE-DOCTOR",
    "StudyDescription": "ONE-DESCRIPTION",
    "Manufacturer": "ONE-MAKER",
    "ManufacturerModelName": "ONE-MODEL",
    "DeviceSerialNumber": "ONE-SERIAL",
    "StationName": "ONE-STATION",
    "InstitutionName": "ONE-HOSPITAL",
    "PlacerOrderNumberImagingServiceRequest": "ONE-PLACER",
    "SOPInstanceUID": "2.25.1111101",
    "SeriesInstanceUID": "2.25.2111102",
    "StudyInstanceUID": "2.25.4111104",
}


def _other(value: str) -> str:
    """Return a value of the same form, of which no part is the same."""
    return value.replace("1", "2") if value.startswith("20") else value.replace("ONE", "TWO").replace("1", "3")


@pytest.mark.parametrize("outcome", Outcome)
def test_nothing_of_one_patient_is_in_the_report_of_the_next(outcome: Outcome) -> None:
    """The worst that a template could do: a report that names the patient before."""
    other = {keyword: _other(value) for keyword, value in _ONE.items()}
    files = []
    for attributes, seed in ((_ONE, 1), (other, 2), (_ONE, 1)):
        source = chest(seed)
        for keyword, value in attributes.items():
            setattr(source, keyword, value)
        request = Dataset()
        request.RequestedProcedureID = attributes["StudyID"]
        source.RequestAttributesSequence = [request]
        what = content(outcome, population=f"{attributes['PatientID']} population", pixel_digest=str(seed) * 64)
        objects = build(source, _DISPLAY, what, kinds=_ALL, equipment=replace(EQUIPMENT, institution=""))
        files.append([each.encoded() for each in objects])
    assert files[0] == files[2]
    for one, two in zip(files[0], files[1], strict=True):
        for keyword, value in _ONE.items():
            assert value.encode() not in two, keyword
            assert other[keyword].encode() not in one, keyword
        assert b"varying" not in one + two, "a marker is left"


def test_a_value_that_stands_within_another_one_is_not_left_behind() -> None:
    """Such a place cannot be found; an object of this shape is made anew each time."""

    def make(recipe: tuple[Varying]) -> bytes:
        source = chest(rows=16, columns=16)
        source.PatientName = f"Name {plain(recipe)[0]}"
        return encoded(source)

    templates = ReportTemplates(make)
    for name in ("ONE^PATIENT", "TWO^PATIENT"):
        recipe = (Varying(Form.TEXT, name),)
        assert templates.encoded(recipe) == make(recipe)


def test_a_picture_that_is_written_otherwise_is_not_replaced_by_the_one_of_the_template() -> None:
    def make(recipe: tuple[Varying]) -> bytes:
        source = chest(rows=16, columns=16)
        source.PixelData = plain(recipe)[0] + b"ab"
        return encoded(source)

    templates = ReportTemplates(make)
    for pixels in (bytes(768), bytes(range(256)) * 3):
        recipe = (Varying(Form.PIXELS, pixels),)
        assert templates.encoded(recipe) == make(recipe)


def test_a_cache_that_another_thread_empties_costs_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    class Emptied(dict[Any, Any]):
        """Is emptied after each look at it, as by a thread that makes one template too many."""

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.clear()
            return found

    def make(recipe: tuple[Varying]) -> bytes:
        source = chest(rows=16, columns=16)
        (source.PatientName,) = plain(recipe)
        return encoded(source)

    templates = ReportTemplates(make)
    monkeypatch.setattr(templates, "_kept", Emptied())
    for name in ("ONE^PATIENT", "TWO^PATIENT"):
        recipe = (Varying(Form.TEXT, name),)
        assert templates.encoded(recipe) == make(recipe)


def test_shapes_tell_apart_what_python_and_highdicom_call_equal() -> None:
    assert len({shape_of(recipe) for recipe in ((1,), (True,), (1.0,), ("1",))}) == 4
    assert shape_of((Varying(Form.TEXT, "one"),)) == shape_of((Varying(Form.TEXT, "two"),))
    assert shape_of((Varying(Form.TEXT, "one"),)) != shape_of(("one",))
    one, other = Varying(Form.UID, "1.2"), Varying(Form.UID, "1.3")
    assert shape_of((one, other)) == shape_of((other, one)) != shape_of((one, one))


def test_a_text_that_no_short_value_representation_holds_is_written_all_the_same() -> None:
    source = chest(patient_id="X" * 70_000)
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=_ALL, equipment=EQUIPMENT)
    [draft] = drafts_of(source, None, content(Outcome.NOT_ANALYSED), kinds=_ALL, equipment=EQUIPMENT)
    assert report.encoded() == _from_scratch(draft)


def test_a_module_of_the_standard_is_read_alone_and_is_what_highdicom_reads() -> None:
    tables = ModuleTables()
    whole = json.loads(files("highdicom").joinpath("_standard/module_attribute_map.json").read_bytes())
    asked = {
        item["key"]
        for iod in _standard_utils.get_iod_module_map().values()
        for item in iod
        if item["ie"] in ("Patient", "Study")
    } | {min(whole), max(whole)}
    expected = {name: whole[name] for name in asked}
    assert {name: tables[name] for name in asked} == expected
    assert set(tables) == asked
    # The container's image holds the file without white space (docker/prune.py).
    pruned = json.dumps(whole, separators=(",", ":")).encode()
    assert {name: read_module(pruned, name) for name in asked} == expected
    assert "no-such-module" not in tables


def test_no_report_has_highdicom_read_all_modules() -> None:
    (draft,) = drafts_of(chest(), None, content(Outcome.NEGATIVE), kinds=[ReportKind.TEXT_SR], equipment=EQUIPMENT)
    _from_scratch(draft)
    assert 0 < len(_standard_utils.get_module_attribute_map()) < 100, "of the more than 400 that the standard has"
