"""What goes back into the study: text report, Measurement Report and heat map, the same bytes for the same content."""

from service.report.build import build, kind_of, predecessor
from service.report.built import BuiltObject
from service.report.content import ReportContent
from service.report.equipment import Equipment
from service.report.study_content import StudyContent
from service.report.variants import as_sop_class

__all__ = [
    "BuiltObject",
    "Equipment",
    "ReportContent",
    "StudyContent",
    "as_sop_class",
    "build",
    "kind_of",
    "predecessor",
]
