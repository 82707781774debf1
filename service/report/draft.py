"""What the objects of one report set have in common, and the UIDs that follow from it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.report.content import ReportContent
from service.report.equipment import Algorithm, Equipment
from service.report.evidence import Evidence
from service.report.header import Attributes, Header, attributes_of, reference_of
from service.report.installed import INSTALLED
from service.report.region import Localisation
from service.report.sentences import series_description
from service.report.study_content import StudyContent, StudyImage
from service.report.template import Form, Varying
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.uids import derive_uid

#: Version of what the modules of this package write for the same content. Raise it with every change of the output.
TEMPLATE_VERSION = "7"

_NEWEST_FIRST = 10_000
"""More than any study has results."""

#: What the modules of patient, study and series take over from the source (PS3.3 sections C.7.1, C.7.2, C.7.3).
_OF_THE_SERIES = (
    "StudyInstanceUID",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "BodyPartExamined",
    "Laterality",
)

_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")


class Shared(NamedTuple):
    """What is the same in all objects of one report set, found out once.

    Attributes
    ----------
    digests
        Texts that two report sets share only when they say the same by the same equipment of the same source.
    """

    digests: tuple[str, str, str]
    source: Attributes
    procedures: tuple[Attributes, ...]

    @classmethod
    def of(cls, evidence: Evidence, content: ReportContent, equipment: Equipment) -> Self:
        """Return what objects of this evidence and content share."""
        return cls(
            (_canonical(content), _canonical(equipment), _digest(evidence)),
            attributes_of(evidence.dataset),
            tuple(attributes_of(item) for item in evidence.requested_procedures),
        )


@dataclass(frozen=True)
class Draft:
    """One object of a report set before it is built.

    Attributes
    ----------
    shared
        What follows from evidence, content and equipment for every kind alike.
    display
        Display values of the source image, float32, rows x cols, in [0, 1]; None where no kind in the set shows it.
    predecessors
        The earlier objects of the same kind whose place it takes.
    localisation
        Where the activation of a positive lies; None for every other outcome.
    study
        What a report of the whole study says; None for a report of one image.
    images
        Those of the study.
    """

    kind: ReportKind
    sop_class_uid: str
    evidence: Evidence
    content: ReportContent
    equipment: Equipment
    shared: Shared
    display: NDArray[np.float32] | None
    predecessors: tuple[Dataset, ...]
    localisation: Localisation | None
    study: StudyContent | None = None
    images: tuple[StudyImage, ...] = ()

    def sop_instance_uid(self, rendered: str = "") -> str:
        """Return the UID of all that decides the object; `rendered` is the digest of its pixels, if it has any."""
        return derive_uid(
            self.kind.value,
            self.sop_class_uid,
            str(self.evidence.dataset.SOPInstanceUID),
            self.content.pixel_digest,
            self.content.identity_digest,
            TEMPLATE_VERSION,
            INSTALLED["highdicom"],
            *self.shared.digests,
            json.dumps([[str(earlier.SOPInstanceUID), *_time_of(earlier)] for earlier in self.predecessors]),
            rendered,
            *self._study_digests(),
        )

    def _study_digests(self) -> list[str]:
        """Return texts that two reports of studies share only when they say the same of the same images."""
        if self.study is None:
            return []
        return [
            _canonical(replace(self.study, images=())),
            *(text for image in self.images for text in (_digest(image.evidence), _canonical(image.content))),
        ]

    def series_instance_uid(self) -> str:
        """Return the UID of the series: one for all objects of a kind in a study.

        Whatever decides its modules, and those of patient, study and equipment, decides the UID: a corrected patient,
        another language or another version of the software gets a series of its own, and none ever contradicts itself
        (PS3.3 section A.1.2.3).
        """
        source = self.evidence.dataset
        return derive_uid(
            "series",
            self.kind.value,
            self.sop_class_uid,
            self.content.language.value,
            TEMPLATE_VERSION,
            self.institution,
            self.equipment.software_version,
            self.equipment.device_serial_number,
            *(str(source.get(keyword, "")) for keyword in _OF_THE_SERIES),
        )

    @property
    def institution(self) -> str:
        """Institution Name of the object: the installation's, else the source's."""
        return str(self.equipment.institution or self.evidence.dataset.get("InstitutionName") or "")

    def _instance_number(self) -> int:
        """Return a number that no other result of the study has in this series.

        Viewers show of a series of documents or pictures the first one, and of measurements the last one: it is the
        newest, which alone knows what the study's other images show.
        """
        number = self.content.number if self.study is None else self.study.number
        return number if self.kind is ReportKind.MEASUREMENT_SR else max(1, _NEWEST_FIRST - number)

    def header(self, rendered: str = "") -> Header:
        """Return what every kind says besides its content; `rendered` is the digest of its pixels, if it has any."""
        content, source = self.content, self.evidence.dataset
        moment = _local_time(content.content_time, source)
        same_study = [each for each in self.predecessors if each.StudyInstanceUID == source.StudyInstanceUID]
        return Header(
            sop_instance_uid=Varying(Form.UID, self.sop_instance_uid(rendered)),
            series_instance_uid=Varying(Form.UID, self.series_instance_uid()),
            instance_number=Varying(Form.COUNT, self._instance_number()),
            series_number=self.kind.series_number,
            series_description=series_description(content.language, self.kind),
            equipment=self.equipment,
            institution=Varying(Form.TEXT, self.institution) if self.institution else None,
            algorithm=Algorithm.of(content.prediction) if content.prediction else None,
            source=self.shared.source,
            further=tuple(
                reference_of(image.evidence.dataset)
                for image in self.images
                if image.evidence.dataset.SOPInstanceUID != source.SOPInstanceUID
            ),
            procedures=self.shared.procedures,
            predecessors=tuple(reference_of(each) for each in same_study),
            date=Varying(Form.DATE, f"{moment:%Y%m%d}"),
            time=Varying(Form.TIME, f"{moment:%H%M%S}"),
            moment=Varying(Form.TEXT, f"{moment:%Y%m%d%H%M%S%z}"[:19]),
        )


def _local_time(content_time: datetime, evidence: Dataset) -> datetime:
    """Return the content time in the zone of the source's dates and times (0008,0201), where the source states one."""
    match = _OFFSET.fullmatch(str(evidence.get("TimezoneOffsetFromUTC", "")))
    if match is None:
        return content_time
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return content_time.astimezone(timezone(-offset if match[1] == "-" else offset))


def _time_of(document: Dataset) -> tuple[str, str]:
    return str(document.get("ContentDate") or ""), str(document.get("ContentTime") or "")


def _digest(evidence: Evidence) -> str:
    """Return the SHA-256 (hex) of every attribute that is taken over from the source."""
    items = [evidence.dataset, *evidence.requested_procedures]
    text = json.dumps([item.to_json_dict() for item in items], sort_keys=True) + repr(evidence.notes)
    text += repr(evidence.image)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> str:
    """Return a text that two values share only when every field of theirs is equal."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        # The runtime tells how the numbers came about; no object says it.
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name != "runtime"}
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        return [str(data.dtype), list(data.shape), hashlib.sha256(data.tobytes()).hexdigest()]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return [[str(key), _plain(item)] for key, item in sorted(value.items())]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
