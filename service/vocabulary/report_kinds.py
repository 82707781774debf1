"""The kinds of report that go back for an image or a study, each in one entry.

What a kind is made of is `recipe` in the module of its name in `service.report`, and how is `make` in that of
`service.report.making`. A new one is these modules and its entry here, with the words for it in `service.texts`.
"""

from enum import StrEnum
from typing import NamedTuple, Self

from service.vocabulary.concepts import Concept
from service.vocabulary.sop_classes import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    ENHANCED_SR,
    SECONDARY_CAPTURE,
)

#: Designator of the own coding scheme; the prefix 99 marks it as private (PS3.3 section 8.2).
OWN_SCHEME = "99AUSCULT"


class _Entry(NamedTuple):
    code: str
    sop_classes: tuple[str, ...]
    series_number: int
    document_title: Concept | None = None
    needs_result: bool = True
    of_study: bool = False


class ReportKind(StrEnum):
    """A kind of report; its value is the code in the ledger and in a destination's `reports` setting.

    Attributes
    ----------
    sop_classes
        What can hold it, the one that is built first; the others are for destinations that do not accept it.
    series_number
        Of the one series that all reports of the kind have in a study.
    document_title
        The concept that a Structured Report has as its title (PS3.3 section C.17.3); None for an image.
    needs_result
        Whether it has nothing to say of an image that was not analysed.
    of_study
        Whether one document tells of all images of a study, and each takes the place of the one before; a destination
        that receives it receives no `TEXT_SR`.
    """

    sop_classes: tuple[str, ...]
    series_number: int
    document_title: Concept | None
    needs_result: bool
    of_study: bool

    def __new__(
        cls,
        code: str,
        # Defaults are for type checkers, to which a look-up by code is this call; no entry of the table rests on one.
        sop_classes: tuple[str, ...] = (),
        series_number: int = 0,
        document_title: Concept | None = None,
        needs_result: bool = True,
        of_study: bool = False,
    ) -> Self:
        """Make a member that is the code of its entry."""
        kind = str.__new__(cls, code)
        kind._value_ = code
        kind.sop_classes = sop_classes
        kind.series_number = series_number
        kind.document_title = document_title
        kind.needs_result = needs_result
        kind.of_study = of_study
        return kind

    TEXT_SR = _Entry(
        code="text_sr",
        sop_classes=(ENHANCED_SR, BASIC_TEXT_SR),
        series_number=9901,
        # Not (126000,DCM): viewers show every other title as a readable tree.
        document_title=Concept("TRIAGE", OWN_SCHEME, "AI triage result"),
        needs_result=False,
    )
    """The report that people read."""
    STUDY_TEXT_SR = _Entry(
        code="study_text_sr",
        sop_classes=(ENHANCED_SR, BASIC_TEXT_SR),
        series_number=9900,
        document_title=Concept("STUDYTRIAGE", OWN_SCHEME, "AI triage results of a study"),
        needs_result=False,
        of_study=True,
    )
    """The same for a whole study, in one document that is revised when another of its images has a result."""
    MEASUREMENT_SR = _Entry(
        code="measurement_sr",
        sop_classes=(COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR),
        series_number=9902,
        document_title=Concept("126000", "DCM", "Imaging Measurement Report"),
    )
    """The report that machines read: a TID 1500 Measurement Report."""
    SECONDARY_CAPTURE = _Entry(code="secondary_capture", sop_classes=(SECONDARY_CAPTURE,), series_number=9903)
    """The radiograph with the heat map over it; every viewer shows it."""


#: Kinds that each image has an object of: what a destination receives unless its settings say otherwise.
IMAGE_KINDS = tuple(kind for kind in ReportKind if not kind.of_study)

#: Kinds of which a study has one document.
STUDY_KINDS = tuple(kind for kind in ReportKind if kind.of_study)

#: Kinds that the page can show.
PICTURE_KINDS = frozenset(kind for kind in ReportKind if kind.document_title is None)

#: What a destination may be sent, and what a PACS that forwards whatever it receives sends back.
REPORT_SOP_CLASSES = tuple(dict.fromkeys(uid for kind in ReportKind for uid in kind.sop_classes))
