"""What was given up on its way to a destination, for a person to send again: the newest, with the study of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.message_records import MessageRecord
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.vocabulary.states import DeliveryState

#: Rows that a page shows of each kind.
_MOST = 50


@dataclass(frozen=True)
class DeadLetter:
    """A report or a message that was given up.

    Attributes
    ----------
    what
        The kind of report, or the event that a message tells.
    """

    destination: str
    what: str
    study_instance_uid: str
    attempts: int
    detail: str | None
    created_at: datetime


class DeadLetters:
    """Looks for what was given up."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self) -> Sequence[DeadLetter]:
        """Return reports and messages that were given up, the newest first."""
        report = (
            select(DeliveryRecord, ReportRecord.kind, StudyRecord.study_instance_uid)
            .join(ReportRecord, ReportRecord.id == DeliveryRecord.report_id)
            .join(InstanceRecord, InstanceRecord.id == ReportRecord.instance_id)
            .join(StudyRecord, StudyRecord.id == InstanceRecord.study_id)
            .where(DeliveryRecord.state == DeliveryState.DEAD.value)
            .order_by(DeliveryRecord.id.desc())
            .limit(_MOST)
        )
        message = (
            select(MessageRecord, MessageRecord.event, StudyRecord.study_instance_uid)
            .join(StudyRecord, StudyRecord.id == MessageRecord.study_id)
            .where(MessageRecord.state == DeliveryState.DEAD.value)
            .order_by(MessageRecord.id.desc())
            .limit(_MOST)
        )
        with reading(self._engine) as session:
            found = [
                DeadLetter(row.destination, what, uid, row.attempts, row.detail, row.created_at)
                for query in (report, message)
                for row, what, uid in session.execute(query)
            ]
        return sorted(found, key=lambda letter: letter.created_at, reverse=True)
