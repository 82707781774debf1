"""The rows of what we built: one for each object, and one of the outbox for each destination that it is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import CALLED_OFF, DeliveryState
from service.vocabulary.uids import variant_uid


@dataclass(frozen=True)
class EarlierReport:
    """A report that a destination may hold and that the new one of its kind takes the place of.

    Attributes
    ----------
    removed
        Whether retention has removed its bytes; the UIDs are what is left to refer to it by.
    """

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    object_key: str
    removed: bool
    language: Language = Language.ENGLISH


@dataclass(frozen=True)
class NewReport:
    """A built object whose bytes are durable in the store, and the destinations that it is for."""

    kind: str
    outcome: Outcome
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    object_key: str
    destinations: tuple[str, ...]
    language: Language = Language.ENGLISH


def add_all(session: Session, instance_id: int, reports: Sequence[NewReport], now: datetime) -> None:
    """Put an image's reports into the outbox; one that says the same as an earlier one is that one, and its bytes."""
    # Looked for all at once, and before any is added: each look would write what was added before it.
    earlier = _same(session, reports)
    for new in reports:
        report = earlier.get(new.sop_instance_uid)
        if report is None:
            report = _record_of(new, instance_id, now)
            session.add(report)
        elif report.object_removed_at is not None:
            report.object_key, report.object_removed_at = new.object_key, None
        known = {delivery.destination: delivery for delivery in report.deliveries}
        for name in known.keys() & set(new.destinations):
            # What did not hold any more, or was given up with its destination, holds again.
            if known[name].state in CALLED_OFF:
                known[name].state = DeliveryState.PENDING.value
                known[name].created_at = known[name].next_attempt_at = now
        report.deliveries += [
            DeliveryRecord(destination=name, state=DeliveryState.PENDING.value, created_at=now, next_attempt_at=now)
            for name in new.destinations
            if name not in known
        ]


def variant_of(session: Session, report: ReportRecord, new: NewReport, now: datetime) -> ReportRecord:
    """Return a report in another SOP class; one for all destinations that want it."""
    variant = _same(session, [new]).get(new.sop_instance_uid)
    if variant is None:
        variant = _record_of(new, report.instance_id, now)
        variant.language = report.language
        session.add(variant)
        session.flush()
    return variant


def held_reports(session: Session, *which: ColumnElement[bool]) -> tuple[EarlierReport, ...]:
    """Return those among some reports that a destination may hold, the earliest first.

    What takes their place names all of them, for it says anew what each of them said. To name the latest alone would
    leave an earlier one standing at a destination that never received the latest.

    References
    ----------
    PS3.3 section C.17.2: predecessors are the documents whose content is included, wholly or in part
    """
    attempted = exists(
        select(DeliveryRecord.id).where(DeliveryRecord.report_id == ReportRecord.id, DeliveryRecord.attempts > 0)
    )
    reports = session.execute(
        select(ReportRecord, attempted).join(InstanceRecord).where(*which).order_by(ReportRecord.id)
    ).all()
    tried = {report.sop_instance_uid for report, was_tried in reports if was_tried}
    return tuple(_earlier(report) for report, _ in reports if held_under(report) & tried)


def _earlier(report: ReportRecord) -> EarlierReport:
    return EarlierReport(
        kind=report.kind,
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        series_instance_uid=report.series_instance_uid,
        study_instance_uid=report.instance.study.study_instance_uid,
        object_key=report.object_key,
        removed=report.object_removed_at is not None,
        # Version 0.1 knew one language.
        language=Language(report.language or Language.ENGLISH),
    )


def held_under(report: ReportRecord) -> set[str]:
    """Return the UIDs that destinations may hold a report under: its own, and those of its variants.

    There is none for a variant: what takes its place names the report that it was made of, and is itself made a variant
    for the same destination.
    """
    others = next((kind.sop_classes[1:] for kind in ReportKind if kind == report.kind), ())
    uid = report.sop_instance_uid
    return set() if report.sop_class_uid in others else {uid, *(variant_uid(uid, other) for other in others)}


def _same(session: Session, reports: Sequence[NewReport]) -> dict[str, ReportRecord]:
    """Return the reports in the ledger that say the same as these, by SOP Instance UID."""
    uids = [new.sop_instance_uid for new in reports]
    same = session.scalars(select(ReportRecord).where(ReportRecord.sop_instance_uid.in_(uids)))
    return {report.sop_instance_uid: report for report in same}


def _record_of(new: NewReport, instance_id: int, now: datetime) -> ReportRecord:
    return ReportRecord(
        instance_id=instance_id,
        kind=new.kind,
        language=new.language.value,
        outcome=new.outcome.value,
        sop_class_uid=new.sop_class_uid,
        sop_instance_uid=new.sop_instance_uid,
        series_instance_uid=new.series_instance_uid,
        object_key=new.object_key,
        created_at=now,
    )
