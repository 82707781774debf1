"""What the text report of a whole study says: its images, each with its result or without one.

References
----------
PS3.3 section A.1.2.3: what holds of a series holds of each of its instances
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from pydicom.dataset import Dataset

from service.report.content import ReportContent
from service.report.evidence import Evidence, prepare
from service.vocabulary.facts import PrioritySource, Supersession
from service.vocabulary.language import Language
from service.vocabulary.states import Priority

#: Attributes that an image has its own of, and a document about several images none.
_OF_ONE_IMAGE = ("BodyPartExamined", "Laterality", "PatientOrientation")


@dataclass(frozen=True)
class StudyContent:
    """Everything that the text report of a study says beyond the attributes of its images.

    Attributes
    ----------
    images
        Each image with what was found out about it, or None where nothing is by now; the most urgent first.
    unnamed
        How many more objects of the study have no result.
    number
        The how-manieth version of the report it is, from 1 on.
    superseding_reason
        Why an earlier result of the image that came last no longer holds; None where it has none.
    after_reading
        Whether a person had read the study before.
    """

    images: tuple[tuple[Dataset, ReportContent | None], ...]
    priority: Priority
    priority_source: PrioritySource | None
    language: Language = Language.ENGLISH
    unnamed: int = 0
    number: int = 1
    superseding_reason: Supersession | None = None
    after_reading: bool = False

    @property
    def leading(self) -> ReportContent:
        """What was found of the most urgent image, at the moment of the last result of all.

        Raises
        ------
        ValueError
            When nothing was found out about any image.
        """
        known = [content for _, content in self.images if content is not None]
        if not known:
            raise ValueError("the report of a study needs an image about which something was found out")
        return replace(known[0], content_time=max(content.content_time for content in known))


class StudyImage(NamedTuple):
    """An image of a study as its report sees it."""

    evidence: Evidence
    content: ReportContent | None


def images_of(study: StudyContent) -> tuple[StudyImage, ...]:
    """Return the images of a study, their attributes made valid."""
    return tuple(StudyImage(prepare(source), content) for source, content in study.images)


def of_all_images(evidence: Evidence) -> Evidence:
    """Return what one image says of patient and study, without what holds for it alone."""
    shared = Dataset()
    for element in evidence.dataset:
        if element.keyword not in _OF_ONE_IMAGE:
            shared.add(element)
    return replace(evidence, dataset=shared)
