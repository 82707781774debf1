"""What the ledger knows of a period in shadow: the figures of a go-live report."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session

from service.ledger.database import reading
from service.ledger.feedback_records import FeedbackRecord
from service.ledger.kept_counts import SILENT
from service.ledger.machine_records import AcquisitionRecord
from service.ledger.records import InstanceRecord, PredictionRecord, StudyRecord
from service.ledger.shadow import ShadowView, is_shadowed
from service.vocabulary.facts import Opinion
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State


@dataclass(frozen=True)
class ShadowFigures:
    """What came of the images that a source has sent in its present period in shadow.

    Attributes
    ----------
    images, studies
        Images in force, and the studies that they belong to.
    outcomes
        Results, by outcome.
    not_analysed
        Images that are not analysed, and images that failed, by reason.
    held, waiting
        Images that are on hold, and images that nobody has analysed yet.
    turnarounds
        From the receipt of each image to its result, the shortest first.
    opinions
        What counts of what people said of the results; one of several people counts once for each.
    read
        Studies that a person has read.
    """

    images: int
    studies: int
    outcomes: Mapping[Outcome, int]
    not_analysed: Mapping[str, int]
    held: int
    waiting: int
    turnarounds: tuple[timedelta, ...]
    opinions: Mapping[Opinion, int]
    read: int
    checkpoints: tuple[str, ...]


def shadow_figures(engine: Engine, view: ShadowView) -> ShadowFigures:
    """Return the figures of a source that is in shadow."""
    row, result = InstanceRecord, PredictionRecord
    columns = (row.state, row.reason, row.study_id, row.received_at, row.analysed_at)
    found = select(*columns, result.outcome, result.checkpoint_version).outerjoin(result, result.instance_id == row.id)
    with reading(engine) as session:
        images = session.execute(found.where(row.id.in_(_images(view)))).all()
        read = session.scalars(
            select(func.count())
            .select_from(StudyRecord)
            .where(
                StudyRecord.closed_at.is_not(None),
                StudyRecord.id.in_(select(row.study_id).where(row.id.in_(_images(view)))),
            )
        ).one()
        opinions = _opinions(session, view)
    states = Counter(image.state for image in images)
    results = [image for image in images if image.outcome is not None]
    return ShadowFigures(
        images=len(images),
        studies=len({image.study_id for image in images}),
        outcomes={Outcome(name): count for name, count in Counter(image.outcome for image in results).items()},
        not_analysed=Counter(
            image.reason or ""
            for image in images
            if image.outcome is None and image.state in (State.OUT_OF_SCOPE.value, State.FAILED.value)
        ),
        held=states[State.HELD.value],
        waiting=states[State.RECEIVED.value] + states[State.CLAIMED.value],
        turnarounds=tuple(sorted(image.analysed_at - image.received_at for image in results if image.analysed_at)),
        opinions=opinions,
        read=read,
        checkpoints=tuple(sorted({image.checkpoint_version for image in results})),
    )


def _images(view: ShadowView) -> Select[int]:
    row, source = InstanceRecord, view.source
    images = select(row.id).where(is_shadowed(), row.received_at >= view.entered_at, row.state.not_in(SILENT))
    if source.ae_title is not None:
        return images.where(row.calling_ae_title == source.ae_title)
    return images.join(AcquisitionRecord, AcquisitionRecord.instance_id == row.id).where(
        AcquisitionRecord.machine_id == source.machine_id
    )


def _opinions(session: Session, view: ShadowView) -> Counter[Opinion]:
    row = FeedbackRecord
    newest = select(func.max(row.id)).where(row.instance_id.in_(_images(view))).group_by(row.instance_id, row.person)
    return Counter(Opinion(opinion) for opinion in session.scalars(select(row.opinion).where(row.id.in_(newest))))
