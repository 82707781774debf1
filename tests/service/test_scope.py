from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from service.demo.phantom import phantom_values
from service.scope import PopulationLimits, ScopeVerdict, blank, judge
from service.settings import ScopeSettings
from service.texts import texts_in
from service.vocabulary.facts import Flag, Reason
from service.vocabulary.language import Language
from tests.phantoms import SopClass, chest, codes

CHILDREN = PopulationLimits(minimum_age_years=1, maximum_age_years=5)


def verdict(image: Dataset, population: PopulationLimits = CHILDREN, **rules: Any) -> ScopeVerdict:
    return judge(image, population, ScopeSettings(**rules))


def plain(**attributes: Any) -> FileDataset:
    """Make a radiograph of a three-year-old of which nothing says part or view, but for what the test adds."""
    silent = {
        "BodyPartExamined": None,
        "ViewPosition": None,
        "StudyDescription": None,
        "PatientOrientation": None,
    }
    return chest(**{**silent, **attributes})


def test_a_frontal_chest_radiograph_of_a_child_is_in_scope_without_a_doubt() -> None:
    assert verdict(chest()) == ScopeVerdict(in_scope=True, reason=None, chest=True, flags=())
    assert verdict(chest(sop_class="DX")).in_scope


def test_the_header_alone_is_enough() -> None:
    assert verdict(chest(PixelData=None)).in_scope


@pytest.mark.parametrize(
    ("image", "reason", "words"),
    [
        (chest(view_position="LL"), Reason.LATERAL_VIEW, "lateral view"),
        (chest(Modality="CT"), Reason.MODALITY, "modality not accepted"),
        (chest(Modality=None), Reason.MODALITY, "modality not accepted"),
        (chest(Rows=None), Reason.NOT_AN_IMAGE, "not an image"),
        (chest(NumberOfFrames=2), Reason.MULTI_FRAME, "multi-frame image"),
        (chest(SamplesPerPixel=3, PhotometricInterpretation="RGB"), Reason.COLOUR, "colour image"),
        (chest(PhotometricInterpretation="PALETTE COLOR"), Reason.COLOUR, "colour image"),
        (
            chest(sop_class="DX processing"),
            Reason.FOR_PROCESSING,
            "for-processing image; its for-presentation form is analysed",
        ),
        (chest(body_part="KNEE"), Reason.NOT_CHEST, "not a chest image"),
        (chest(rows=1, columns=1), Reason.TOO_SMALL, "image too small"),
        (chest(rows=199), Reason.TOO_SMALL, "image too small"),
        (chest(Rows=60000, Columns=60000), Reason.TOO_LARGE, "image too large"),
        (chest(age="040Y"), Reason.AGE_OUTSIDE, "patient age outside the validated range"),
    ],
)
def test_an_image_out_of_scope_is_not_analysed_and_says_why(image: Dataset, reason: Reason, words: str) -> None:
    found = verdict(image)
    assert not found.in_scope
    assert found.reason is reason
    assert texts_in(Language.ENGLISH).of(reason) == words


def test_each_reason_has_a_stable_code_for_metrics() -> None:
    assert Reason.LATERAL_VIEW.value == "lateral_view"
    assert all(reason.isidentifier() and reason == reason.name.lower() for reason in Reason)


@pytest.mark.parametrize(
    ("rules", "image", "reason", "flag"),
    [
        ("unknown_body_part", plain(ViewPosition="PA"), Reason.BODY_PART_UNKNOWN, Flag.BODY_PART_UNKNOWN),
        ("unknown_view", plain(BodyPartExamined="CHEST"), Reason.VIEW_UNKNOWN, Flag.VIEW_UNKNOWN),
        ("unknown_age", chest(age=None, birth_date=None), Reason.AGE_UNKNOWN, Flag.AGE_UNKNOWN),
        ("age_outside", chest(age="040Y"), Reason.AGE_OUTSIDE, Flag.AGE_OUTSIDE),
        ("for_processing", chest(sop_class="DX processing"), Reason.FOR_PROCESSING, Flag.FOR_PROCESSING),
    ],
)
def test_each_doubt_is_a_flag_or_a_reason_as_the_settings_say(
    rules: str, image: Dataset, reason: Reason, flag: Flag
) -> None:
    skip, analyse = ScopeSettings.model_validate({rules: "skip"}), ScopeSettings.model_validate({rules: "analyse"})
    assert judge(image, CHILDREN, skip).reason is reason
    analysed = judge(image, CHILDREN, analyse)
    assert analysed.in_scope
    assert analysed.flags == (flag,)


def test_secondary_capture_counts_by_its_modality_and_the_setting() -> None:
    image = chest(sop_class="SC")
    assert verdict(image).in_scope
    assert verdict(image, secondary_capture="skip").reason is Reason.SECONDARY_CAPTURE
    image.Modality = "OT"
    assert verdict(image).reason is Reason.MODALITY


@pytest.mark.parametrize(
    ("image", "known"),
    [
        (chest(), True),
        (chest(view_position="LL"), True),
        (chest(body_part="KNEE"), False),
        (plain(ViewPosition="LL"), False),
        (chest(Modality="CT"), False),
    ],
)
def test_only_a_radiograph_known_for_a_chest_counts_as_chest(image: Dataset, known: bool) -> None:
    assert verdict(image).chest is known


CHEST_WORDS = [
    "CHEST", "Chest PA", "XR CHEST 2V", "CXR", "CHEST_AP_PORTABLE", "CHEST1V", "Thorax p.a.", "RX TÓRAX", "Rx torace",
    "Radiographie des poumons", "Röntgen Lunge", "X-quang ngực thẳng", "胸部正面", "胸片", "흉부 X선", "الصدر",
    "Органы грудной клетки", "KLATKA PIERSIOWA", "Akciğer PA", "longen", "ทรวงอก",
]  # fmt: skip
OTHER_WORDS = [
    "KNEE", "Abdomen supine", "KUB", "Left hand", "LUMBAR SPINE", "THORACIC SPINE", "T-SPINE", "BWS ap", "RIBS",
    "Becken", "genou droit", "rodilla", "COLUMNA DORSAL", "腹部", "胸椎", "膝関節", "무릎", "Коленный сустав", "بطن",
    "cột sống và bụng", "Schädel", "SKULL", "pied gauche",
]  # fmt: skip


@pytest.mark.parametrize("words", CHEST_WORDS)
@pytest.mark.parametrize("keyword", ["SeriesDescription", "StudyDescription", "ProtocolName"])
def test_a_chest_is_known_by_its_description_in_many_languages(words: str, keyword: str) -> None:
    assert verdict(plain(ViewPosition="PA", **{keyword: words})) == ScopeVerdict(True, None, chest=True)


@pytest.mark.parametrize("words", OTHER_WORDS)
@pytest.mark.parametrize("keyword", ["SeriesDescription", "RequestedProcedureDescription"])
def test_another_body_part_is_known_by_its_description_in_many_languages(words: str, keyword: str) -> None:
    assert verdict(plain(ViewPosition="PA", **{keyword: words})).reason is Reason.NOT_CHEST


@pytest.mark.parametrize("words", ["Abdomen supine", "Left hand", "T-SPINE", "Becken", "genou droit"])
def test_body_part_examined_need_not_be_a_defined_term(words: str) -> None:
    image = plain(ViewPosition="PA", SeriesDescription="CHEST")
    _put_raw(image, 0x00180015, "CS", words)
    assert verdict(image).reason is Reason.NOT_CHEST


@pytest.mark.parametrize("words", ["", "2 VIEWS", "PORTABLE", "Chest and abdomen", "handover", "bedside", "中心"])
def test_a_description_that_names_no_part_or_two_decides_nothing(words: str) -> None:
    assert verdict(plain(ViewPosition="PA", StudyDescription=words)).flags == (Flag.BODY_PART_UNKNOWN,)


@pytest.mark.parametrize("value", ["CHEST", "chest", "THORAX", "LUNG", "CHEST TO ABDOMEN", "CHEST_TO_ABDOMEN"])
def test_the_settings_name_the_values_of_body_part_examined(value: str) -> None:
    image = chest(body_part="")
    _put_raw(image, 0x00180015, "CS", value)
    assert verdict(image).chest
    assert verdict(plain(BodyPartExamined="SCHLUMPF", ViewPosition="PA"), body_parts=("Schlumpf",)).chest


def test_body_part_examined_comes_before_the_descriptions() -> None:
    assert verdict(chest(body_part="CHEST", SeriesDescription="KNEE")).in_scope
    assert verdict(chest(body_part="KNEE", SeriesDescription="CHEST")).reason is Reason.NOT_CHEST


@pytest.mark.parametrize(
    ("region", "known"),
    [
        (codes("51185008", "SCT", "Thoracic structure"), True),
        (codes("T-D3000", "SRT", ""), True),
        (codes("72696002", "SCT", "Knee"), False),
        (codes("0815", "99LOCAL", "Poumons"), True),
    ],
)
def test_the_anatomic_region_tells_the_body_part(region: Sequence, known: bool) -> None:
    image = plain(ViewPosition="PA", AnatomicRegionSequence=region)
    assert verdict(image).chest is known
    assert verdict(image).in_scope is known


VIEWS: list[tuple[str, Reason | None]] = [
    ("PA", None), ("AP", None), ("pa", None), ("AP ERECT", None), ("FRONTAL", None),
    ("LL", Reason.LATERAL_VIEW), ("RL", Reason.LATERAL_VIEW), ("LATERAL", Reason.LATERAL_VIEW),
    ("LAT", Reason.LATERAL_VIEW), ("Left lateral", Reason.LATERAL_VIEW),
    ("LLD", Reason.DECUBITUS_VIEW), ("RLD", Reason.DECUBITUS_VIEW), ("LEFT LATERAL DECUBITUS", Reason.DECUBITUS_VIEW),
    ("RAO", Reason.OBLIQUE_VIEW), ("LLO", Reason.OBLIQUE_VIEW), ("OBLIQUE", Reason.OBLIQUE_VIEW),
]  # fmt: skip


@pytest.mark.parametrize(("position", "reason"), VIEWS)
def test_the_view_position_tells_the_view(position: str, reason: Reason | None) -> None:
    image = plain(BodyPartExamined="CHEST")
    _put_raw(image, 0x00185101, "CS", position)
    found = verdict(image)
    assert found.reason is reason
    assert found.flags == ()


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (codes("399067008", "SCT", "lateral"), Reason.LATERAL_VIEW),
        (codes("R-10236", "SRT", ""), Reason.LATERAL_VIEW),
        (codes("399173006", "SCT", ""), Reason.LATERAL_VIEW),
        (codes("272479007", "SCT", "postero-anterior"), None),
        (codes("399348003", "SCT", ""), None),
        (codes("399182000", "SCT", ""), Reason.OBLIQUE_VIEW),
        (codes("1", "99LOCAL", "Seitlich"), Reason.LATERAL_VIEW),
    ],
)
def test_the_view_code_tells_the_view(view: Sequence, reason: Reason | None) -> None:
    found = verdict(plain(BodyPartExamined="CHEST", ViewCodeSequence=view))
    assert found.reason is reason
    assert found.flags == ()


@pytest.mark.parametrize(
    ("orientation", "reason"),
    [(["L", "F"], None), (["R", "F"], None), (["A", "F"], Reason.LATERAL_VIEW), (["P", "F"], Reason.LATERAL_VIEW)],
)
def test_the_direction_of_the_rows_tells_the_view(orientation: list[str], reason: Reason | None) -> None:
    found = verdict(plain(BodyPartExamined="CHEST", PatientOrientation=orientation))
    assert found.reason is reason
    assert found.flags == ()


@pytest.mark.parametrize(
    "words",
    [
        *(
            "CHEST LATERAL",
            "Lat chest",
            "Thorax de profil",
            "TÓRAX PERFIL",
            "Thorax seitlich",
            "Ngực nghiêng",
            "胸部側面",
        ),
        *("胸部侧位", "CHEST_LAT", "흉부 측면", "боковая проекция", "الصدر جانبي", "Torace latero-laterale LL"),
    ],
)
@pytest.mark.parametrize("keyword", ["SeriesDescription", "StudyDescription"])
def test_a_lateral_view_is_known_by_its_description_in_many_languages(words: str, keyword: str) -> None:
    assert verdict(plain(BodyPartExamined="CHEST", **{keyword: words})).reason is Reason.LATERAL_VIEW


@pytest.mark.parametrize(
    "words", ["bilateral", "Unilateral opacity", "collateral", "translate", "flat panel", "LATEX", "late", "PA and LAT"]
)
def test_words_that_only_contain_lateral_and_descriptions_of_both_views_decide_nothing(words: str) -> None:
    found = verdict(plain(BodyPartExamined="CHEST", StudyDescription=words))
    assert found.in_scope
    assert found.flags == (Flag.VIEW_UNKNOWN,)


def test_in_a_study_of_both_views_the_series_decides() -> None:
    both = "CHEST PA AND LAT"
    lateral = plain(BodyPartExamined="CHEST", StudyDescription=both, SeriesDescription="LAT")
    frontal = plain(BodyPartExamined="CHEST", StudyDescription=both, SeriesDescription="PA")
    by_rows = plain(BodyPartExamined="CHEST", StudyDescription=both, PatientOrientation=["A", "F"])
    assert verdict(lateral).reason is Reason.LATERAL_VIEW
    assert verdict(frontal) == ScopeVerdict(True, None, chest=True)
    assert verdict(by_rows).reason is Reason.LATERAL_VIEW


@pytest.mark.parametrize(
    ("age", "inside"),
    [
        ("001Y", True), ("012M", True), ("011M", False), ("052W", False), ("366D", True), ("000D", False),
        ("005Y", True), ("071M", True), ("006Y", False), ("120Y", False), ("3Y", True),
    ],
)  # fmt: skip
def test_the_age_is_compared_in_completed_years_with_both_limits_included(age: str, inside: bool) -> None:
    image = chest(age=None, birth_date=None)
    _put_raw(image, 0x00101010, "AS", age)
    assert verdict(image, unknown_age="skip").in_scope is inside


@pytest.mark.parametrize(
    ("born", "inside"),
    [
        (date(2023, 3, 15), True), (date(2023, 3, 16), False), (date(2018, 3, 16), True), (date(2018, 3, 15), False),
        (date(2020, 2, 29), True), (date(1950, 1, 1), False),
    ],
)  # fmt: skip
def test_without_an_age_birth_and_study_date_tell_it(born: date, inside: bool) -> None:
    assert verdict(chest(age=None, birth_date=born)).in_scope is inside


@pytest.mark.parametrize("born", ["15/03/2019", "20191332", "2019", "99999999", "20300101", "17000101", ""])
@pytest.mark.parametrize("age", [None, "old", "Y", "999Y", "-03Y"])
def test_malformed_or_impossible_ages_are_unknown_and_by_default_a_reason_against_analysis(
    born: str, age: str | None
) -> None:
    image = chest(age=None, birth_date=None)
    _put_raw(image, 0x00100030, "DA", born)
    if age is not None:
        _put_raw(image, 0x00101010, "AS", age)
    assert verdict(image).reason is Reason.AGE_UNKNOWN
    assert verdict(image, unknown_age="analyse").flags == (Flag.AGE_UNKNOWN,)


def test_a_population_without_limits_takes_every_age() -> None:
    assert verdict(chest(age="099Y"), PopulationLimits()).flags == ()


def _put_raw(image: Dataset, tag: int, vr: str, value: str) -> None:
    """Put an element as it comes from a file, where no writer checked it."""
    encoded = value.encode()
    raw = RawDataElement(Tag(tag), vr, len(encoded), encoded, 0, is_implicit_VR=False, is_little_endian=True)
    image._dict[Tag(tag)] = raw


@given(
    sop_class=st.sampled_from(["CR", "DX", "SC"]),
    tag=st.sampled_from(
        [0x00080060, 0x00180015, 0x00185101, 0x00280010, 0x00280008, 0x00101010, 0x00200020, 0x00280002]
    ),
    vr=st.sampled_from(["CS", "US", "IS", "DA", "AS", "SQ", "UN"]),
    value=st.text(max_size=12),
)
def test_no_malformed_attribute_makes_the_gate_raise(sop_class: SopClass, tag: int, vr: str, value: str) -> None:
    image = chest(sop_class=sop_class, rows=8, columns=8, Rows=300, Columns=300)
    _put_raw(image, tag, vr, value)
    found = verdict(image)
    assert found.in_scope is (found.reason is None)


@pytest.mark.parametrize("value", [0, 7, 4095])
def test_an_image_of_one_value_is_blank(value: int) -> None:
    assert blank(np.full((300, 300), value, np.uint16))


def test_noise_and_a_few_hot_pixels_do_not_make_a_blank_image_a_radiograph() -> None:
    random = np.random.default_rng(0)
    noisy = np.rint(random.normal(2000, 5, (300, 300))).astype(np.uint16)
    noisy[:2, :50] = 4095
    assert blank(noisy)


@pytest.mark.parametrize("scale", [1.0, 255, 4095, 65535])
def test_a_radiograph_is_not_blank(scale: float) -> None:
    values = phantom_values(3, 1200, 1000) * scale
    assert not blank(values if scale == 1.0 else values.astype(np.uint16))
