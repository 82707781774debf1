"""What the text report of a study is told: each image with its result or without one, and what it supersedes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from service.ledger.predictions import prediction_of
from service.ledger.records import InstanceRecord, ReportRecord, StudyRecord
from service.ledger.reports import EarlierReport, held_reports
from service.ledger.rows import identity_of
from service.ledger.shadow import is_shadowed
from service.ledger.study_documents import OF_STUDY
from service.ledger.version_0_1 import flags_of
from service.vocabulary.facts import Flag, PrioritySource
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.identity import Identity, is_one_patient
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import Priority, State

#: Most images without a result that a document names; of more it tells how many there are.
_MOST_NAMED = 16
_WITH_RESULT = (State.INFERRED, State.OUT_OF_SCOPE, State.REPORTED, State.DELIVERED, State.FAILED)
_WAITING = (State.RECEIVED, State.CLAIMED, State.HELD)
_RANK = {Outcome.POSITIVE: 0, Outcome.INDETERMINATE: 1, Outcome.NOT_ANALYSED: 2, None: 3, Outcome.NEGATIVE: 4}


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one image of a study.

    Attributes
    ----------
    prediction_id
        Tells one result from another, which a comparison of their maps need not do.
    outcome
        None while nothing is found out about it.
    reason
        Why it has no result; None where it has one, where nothing is found out yet, and where its analysis failed.
    """

    id: int
    object_key: str
    identity: Identity
    identity_digest: str
    pixel_digest: str | None
    outcome: Outcome | None
    reason: str | None
    flags: tuple[Flag, ...]
    analysed_at: datetime
    prediction_id: int | None
    prediction: Prediction | None = field(compare=False)


@dataclass(frozen=True)
class StudyFacts:
    """A study as its text report tells it; equal to another only where the report would be.

    Attributes
    ----------
    images
        Those that it names, the most urgent first.
    unnamed
        How many more objects without a result there are.
    number
        The how-manieth document it would be, in any language.
    predecessors
        The latest document in each language that a destination may hold.
    one_patient
        Whether its images agree on whose they are: a document about several patients is never built.
    """

    images: tuple[ImageFacts, ...]
    unnamed: int
    priority: Priority
    priority_source: PrioritySource
    after_reading: bool
    number: int
    predecessors: tuple[EarlierReport, ...]
    one_patient: bool

    @property
    def outcome(self) -> Outcome:
        """The most urgent outcome of its images; that nothing was found counts last."""
        found = [image.outcome for image in self.images if image.outcome is not None]
        return min(found, key=_RANK.__getitem__, default=Outcome.NOT_ANALYSED)

    @property
    def has_result(self) -> bool:
        """Whether the network judged one of its images."""
        return any(image.prediction is not None for image in self.images)


def facts_of_study(session: Session, row: InstanceRecord) -> StudyFacts:
    """Return what the report of an image's study is told; the image itself is always among those that are named."""
    study = session.get_one(StudyRecord, row.study_id)
    images, unnamed = _named(_in_force(session, row.study_id), row)
    documents = (
        select(func.count(ReportRecord.id.distinct()))
        .join(InstanceRecord)
        .where(
            InstanceRecord.study_id == row.study_id,
            OF_STUDY,
            # Others are the same document in a SOP class that a destination accepts.
            ReportRecord.sop_class_uid == ReportKind.STUDY_TEXT_SR.sop_classes[0],
        )
    )
    return StudyFacts(
        images=images,
        unnamed=unnamed,
        priority=Priority(study.priority),
        priority_source=PrioritySource(study.priority_source),
        after_reading=study.closed_at is not None,
        number=session.scalars(documents).one() + 1,
        predecessors=held_reports(session, InstanceRecord.study_id == row.study_id, OF_STUDY),
        one_patient=is_one_patient(image.identity.patient() for image in images),
    )


def _in_force(session: Session, study_id: int) -> list[InstanceRecord]:
    """Return of each image the version whose result is in force, or else the one that waits."""
    rows = session.scalars(
        select(InstanceRecord)
        .options(joinedload(InstanceRecord.prediction))
        .where(
            InstanceRecord.study_id == study_id,
            InstanceRecord.state.in_([state.value for state in (*_WAITING, *_WITH_RESULT)]),
            ~is_shadowed(),
        )
        .order_by(InstanceRecord.version)
    ).all()
    waiting = {row.sop_instance_uid: row for row in rows if row.state in _WAITING}
    return list((waiting | {row.sop_instance_uid: row for row in rows if row.state in _WITH_RESULT}).values())


def _named(rows: Sequence[InstanceRecord], own: InstanceRecord) -> tuple[tuple[ImageFacts, ...], int]:
    """Return the images that a document names, and how many objects are left out: none that has a result."""
    facts = {row.id: _facts(row) for row in rows}
    judged = [fact for fact in facts.values() if fact.prediction is not None or fact.id == own.id]
    # An object of another kind, such as a slice of a CT, is counted; an image that waits may be a chest radiograph.
    others = [row for row in rows if facts[row.id] not in judged and (row.is_chest or facts[row.id].outcome is None)]
    named = [*judged, *(facts[row.id] for row in sorted(others, key=lambda row: row.id)[:_MOST_NAMED])]
    ordered = sorted(named, key=lambda fact: (_RANK[fact.outcome], fact.analysed_at, fact.id))
    return tuple(ordered), len(facts) - len(ordered)


def _facts(row: InstanceRecord) -> ImageFacts:
    outcome = Outcome(row.prediction.outcome) if row.prediction is not None else Outcome.NOT_ANALYSED
    return ImageFacts(
        id=row.id,
        object_key=row.object_key,
        identity=identity_of(row),
        identity_digest=row.identity_digest,
        pixel_digest=row.pixel_digest,
        outcome=outcome if row.state in _WITH_RESULT else None,
        reason=row.reason if outcome is Outcome.NOT_ANALYSED and row.state != State.FAILED.value else None,
        flags=flags_of(row),
        analysed_at=row.analysed_at or row.received_at,
        prediction_id=row.prediction.id if row.prediction is not None else None,
        prediction=prediction_of(row.prediction) if row.prediction is not None else None,
    )
