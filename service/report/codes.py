"""Every coded concept that auscult writes, and the coding scheme of its own.

References
----------
PS3.16 (context groups and DCM definitions), SNOMED CT concepts as PS3.16 prints them
"""

from service.report.region import Withheld
from service.vocabulary.concepts import Concept
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import OWN_SCHEME, ReportKind
from service.vocabulary.states import Priority


def _dcm(value: str, meaning: str) -> Concept:
    return Concept(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Concept:
    return Concept(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Concept:
    return Concept(value, OWN_SCHEME, meaning)


# Structure of a report
#: The titles of the kinds that are documents.
TITLES = {kind: kind.document_title for kind in ReportKind if kind.document_title is not None}
FINDING = _dcm("121071", "Finding")
SUMMARY = _dcm("121111", "Summary")
FINDINGS = Concept("59776-5", "LN", "Findings")
CONCLUSIONS = _dcm("121076", "Conclusions")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
#: Of every sentence in a report (TID 1204, CID 5000).
LANGUAGES = {
    Language.ENGLISH: Concept("en-US", "RFC5646", "English (United States)"),
    Language.VIETNAMESE: Concept("vi", "RFC5646", "Vietnamese"),
}
OBSERVER_TYPE = _dcm("121005", "Observer Type")
DEVICE = _dcm("121007", "Device")
DEVICE_OBSERVER_UID = _dcm("121012", "Device Observer UID")
DEVICE_OBSERVER_NAME = _dcm("121013", "Device Observer Name")
PROCEDURE_REPORTED = _dcm("121058", "Procedure reported")
PLAIN_CHEST_X_RAY = _sct("399208008", "Plain chest X-ray")
LUNG = _sct("39607008", "Lung")
CHEST = _sct("51185008", "Chest")
SOURCE_IMAGE = _dcm("121322", "Source image for image processing operation")
PERCENT = Concept("%", "UCUM", "Percent")
PRIORITY_NAME = _sct("260870009", "Priority")

# How the result came about
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
PROCESSING_EQUIPMENT = _dcm("109102", "Processing Equipment")
VISUAL_EXPLANATION = _dcm("130401", "Visual explanation")
CLASS_ACTIVATION = _dcm("130402", "Class activation")
SUMMARY_OF_ANALYSES = _dcm("111065", "Summary of Analyses")
FAILED = _dcm("111224", "Failed")
NOT_ATTEMPTED = _dcm("111225", "Not Attempted")

# The own scheme
OUT_OF_SCOPE = _own("OUTSCOPE", "AI out of scope")
ASSESSMENT = _own("PNEUMO", "AI assessment pneumonia")
P_PNEUMONIA = _own("PPNEU", "AI pneumonia")
#: The same concept where there is room to spell it out.
PROBABILITY_OF_PNEUMONIA = _own("PPNEU", "AI probability of pneumonia")
ACTIVATION_OUTSIDE = _own("ACTOUT", "AI off lungs")
ACTIVATION_HERE = _own("ACTHERE", "AI map here")

# The lines of the text report, each under a name of its own: viewers print it before the line
SUPERSEDES = _own("SUPERSED", "Supersedes")
RESULT = _own("RESULT", "AI result")
READING_PRIORITY = _own("READPRIO", "Suggested reading priority")
STATUS = _own("STATUS", "Status of this report")
IMAGE = _own("IMAGE", "Image")
IMAGE_RESULT = _own("IMGRESULT", "AI result of one image")
DECIDING_IMAGE = _own("DECIDES", "Image that decides the priority")
OTHER_IMAGES = _own("OTHERIMG", "Other images of this study")
OPERATING_POINT = _own("OPPOINT", "Operating point")
CLASS_PROBABILITY = _own("CLASSPROB", "AI class probability")
PNEUMONIA_TYPE = _own("PNEUTYPE", "AI type of pneumonia")
NOTE = _own("NOTE", "Note")
MODEL = _own("MODEL", "AI model")
ASSUMED_PREVALENCE = _own("PREVAL", "Assumed prevalence")
VALIDATED_ON = _own("VALIDON", "Validated on")
LIMITS = _own("LIMITS", "Limits")
DISCLAIMER = _own("DISCLAIM", "Disclaimer")

#: Why the map of a positive is not shown.
WITHHELD = {
    Withheld.NO_LUNG_FIELD: _own("NOFIELD", "AI map withheld: no lung field found"),
    Withheld.OFF_LUNGS: _own("OFFLUNGS", "AI map withheld: most of it lies off the lungs"),
}

#: Names of the probabilities of the classes; short and distinct, for a viewer prints them beside the region.
P_CLASS = {
    Finding.PNEUMONIA: _own("PUNTYPED", "AI untyped"),
    Finding.BACTERIAL_PNEUMONIA: _own("PBACT", "AI bacterial"),
    Finding.VIRAL_PNEUMONIA: _own("PVIRAL", "AI viral"),
    Finding.NORMAL: _own("PNOPATT", "AI no pattern"),
}

#: What is asserted about pneumonia; an image that was not analysed has no assessment.
ASSESSMENT_VALUE = {
    Outcome.POSITIVE: _sct("52101004", "Present"),
    Outcome.NEGATIVE: _sct("272519000", "Absent"),
    Outcome.INDETERMINATE: _sct("373068000", "Undetermined"),
}

#: The finding of a positive by its type; None is "type undetermined". Normal is never asserted.
PNEUMONIA = {
    None: _sct("233604007", "Pneumonia"),
    Finding.BACTERIAL_PNEUMONIA: _sct("53084003", "Bacterial pneumonia"),
    Finding.VIRAL_PNEUMONIA: _sct("75570004", "Viral pneumonia"),
}

PRIORITY_VALUE = {
    Priority.ROUTINE: _sct("373113001", "Routine procedure"),
    Priority.URGENT: _sct("103391001", "Urgent procedure"),
    Priority.STAT: _sct("373110003", "Emergency procedure"),
}
