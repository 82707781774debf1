"""The report that machines read: a TID 1500 Measurement Report with one measurement group, and one for each region.

Each group carries a region in the image: one without coordinates makes OHIF fail. Where nothing is to be outlined it is
a frame that stands for the whole image, and its finding site the chest.

References
----------
PS3.16 TID 1500, TID 1410; PS3.3 section A.35.13 (Comprehensive 3D SR IOD)
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.report import codes
from service.report.content import ReportContent, by_finding
from service.report.draft import Draft
from service.report.header import Header
from service.report.region import WHOLE_IMAGE, Localisation, activation_within, in_pixels
from service.report.template import Form, Varying
from service.vocabulary.concepts import Concept
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.uids import derive_uid

#: Names and values of measurements or evaluations: a number that varies, or a code.
_Items = tuple[tuple[Concept, Any], ...]


class Group(NamedTuple):
    """The recipe of a measurement group: a region lies in the lung, and the site of the whole image is the chest."""

    identifier: str
    tracking_uid: Any
    outline: Any
    site: Concept
    measurements: _Items
    evaluations: _Items = ()


class MeasurementDocument(NamedTuple):
    """The recipe of a Measurement Report."""

    header: Header
    title: Concept
    language: Concept
    finding: Concept | None
    groups: tuple[Group, ...]


def recipe(draft: Draft) -> MeasurementDocument:
    """Return what the Measurement Report of a draft is made of."""
    prediction = draft.content.prediction
    if prediction is None:
        raise ValueError("an image that was not analysed has no measurements; build the text report alone")
    header = draft.header()
    return MeasurementDocument(
        header=header,
        title=codes.TITLES[draft.kind],
        language=codes.LANGUAGES[draft.content.language],
        finding=codes.PNEUMONIA[prediction.pneumonia_type] if prediction.outcome is Outcome.POSITIVE else None,
        groups=_groups(draft, prediction, header.sop_instance_uid.value),
    )


def _groups(draft: Draft, prediction: Prediction, sop_instance_uid: str) -> tuple[Group, ...]:
    """Return the group of the result, and one for each further region."""
    source = draft.evidence.dataset
    regions = draft.localisation.regions if draft.localisation else ()

    def outline(region: NDArray[np.float32]) -> Varying:
        return Varying(Form.OUTLINE, in_pixels(region, source.Rows, source.Columns))

    first = Group(
        identifier="AI assessment of pneumonia",
        tracking_uid=Varying(Form.UID, derive_uid("tracking", sop_instance_uid)),
        outline=outline(regions[0] if regions else WHOLE_IMAGE),
        site=codes.LUNG if regions else codes.CHEST,
        measurements=_measurements(prediction, draft.localisation),
        evaluations=_evaluations(draft.content, draft.localisation),
    )
    others = [
        Group(
            identifier=f"AI region {number}",
            tracking_uid=Varying(Form.UID, derive_uid("tracking", sop_instance_uid, str(number))),
            outline=outline(region),
            site=codes.LUNG,
            measurements=(_per_cent(codes.ACTIVATION_HERE, activation_within(prediction.cam, region)),),
        )
        for number, region in enumerate(regions[1:], start=2)
    ]
    return (first, *others)


def _measurements(prediction: Prediction, localisation: Localisation | None) -> _Items:
    """Return the probabilities and the quality of the map, each under a name of its own.

    Viewers print equal names over each other.
    """
    values = {codes.P_PNEUMONIA: prediction.p_pneumonia} | {
        codes.P_CLASS[finding]: probability for finding, probability in by_finding(prediction).items()
    }
    if localisation is not None and localisation.outside is not None:
        values[codes.ACTIVATION_OUTSIDE] = localisation.outside
    return tuple(_per_cent(name, value) for name, value in values.items())


def _per_cent(name: Concept, share: float) -> tuple[Concept, Varying]:
    return name, Varying(Form.NUMBER, round(100 * share, 2))


def _evaluations(content: ReportContent, localisation: Localisation | None) -> _Items:
    evaluations: _Items = (
        (codes.ASSESSMENT, codes.ASSESSMENT_VALUE[content.outcome]),
        (codes.PRIORITY_NAME, codes.PRIORITY_VALUE[content.priority]),
    )
    if localisation is None:
        return evaluations
    withheld = localisation.withheld
    shown = codes.CLASS_ACTIVATION if withheld is None else codes.WITHHELD[withheld]
    return (*evaluations, (codes.VISUAL_EXPLANATION, shown))
