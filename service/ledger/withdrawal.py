"""Withdraw a flag: a person disagrees with a suspicion of pneumonia, so it is taken back wherever it was told.

A new version of the image, with the same bytes and without a result, takes the place of the one that was flagged. So
reports that were sent are superseded by one that says why, messages are taken back, and nothing is done a second way.
"""

from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from service.ledger.acquisitions import copy_acquisition
from service.ledger.records import InstanceRecord, PredictionRecord, StudyRecord
from service.ledger.rows import by_person, record, study_of
from service.ledger.shadow import is_shadowed
from service.ledger.superseding import supersede_earlier
from service.ledger.telling import Subscriptions
from service.ledger.versions import with_same_bytes
from service.vocabulary.facts import EventKind, MessageEvent, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State


def withdraw_flag(
    session: Session, row: InstanceRecord, at: datetime, by: str, order: ReadingOrder, subscriptions: Subscriptions
) -> None:
    """Take a positive result back, whose row is locked, unless a later version is on its way.

    Of an image in shadow nothing was told.
    """
    if row.shadow_id is not None:
        return
    last = select(func.max(InstanceRecord.version)).where(InstanceRecord.sop_instance_uid == row.sop_instance_uid)
    if session.scalars(last.where(~is_shadowed())).one() != row.version:
        return
    version = with_same_bytes(row, session.scalars(last).one() + 1, State.OUT_OF_SCOPE, at)
    version.pixel_digest, version.flag_codes, version.is_chest = row.pixel_digest, row.flag_codes, True
    version.reason, version.analysed_at, version.reports_due = Reason.PERSON_DISAGREED.value, at, True
    session.add(version)
    session.flush()
    copy_acquisition(session, row, version)
    supersede_earlier(session, version, Supersession.PERSON_DISAGREED, at, subscriptions)
    record(session, version, at, EventKind.FLAG_WITHDRAWN, by_person(by))
    study = study_of(session, version)
    session.flush()
    _lower_priority(session, study, order)
    subscriptions.tell(session, MessageEvent.RESULT, study, version, at)


def _lower_priority(session: Session, study: StudyRecord, order: ReadingOrder) -> None:
    """Give a study back the place that it had before the AI, where nothing else keeps it in front."""
    flagged = exists(
        select(PredictionRecord.id)
        .join(InstanceRecord)
        .where(
            InstanceRecord.study_id == study.id,
            InstanceRecord.state.not_in([State.SUPERSEDED.value, State.DUPLICATE.value]),
            PredictionRecord.outcome == Outcome.POSITIVE.value,
            ~is_shadowed(),
        )
    )
    if session.scalar(select(flagged)):
        return
    if study.withheld_source == PrioritySource.PREDICTION.value:
        study.withheld_priority = study.withheld_source = None
    if study.priority_source == PrioritySource.PREDICTION.value:
        # A result raises a study of no order priority alone; one with an order priority names that as its source.
        study.priority, study.priority_source = int(Priority.ROUTINE), PrioritySource.DEFAULT.value
        study.reading_rank_at = order.rank(study.first_received_at, Priority.ROUTINE)
