"""A ledger with the history of a hospital, as the ledger would have left it after years.

Each study has one image; all of it was delivered and confirmed long ago, but for a share that is out of scope.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pydicom.uid import ComputedRadiographyImageStorage, EnhancedSRStorage, ExplicitVRLittleEndian
from sqlalchemy import Engine, func, insert, select

from service.ledger.message_records import MessageRecord
from service.ledger.record_base import Record
from service.ledger.records import (
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
    PredictionRecord,
    ReportRecord,
    StudyRecord,
)
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import IMAGE_KINDS
from service.vocabulary.states import DeliveryState, State

_OUT_OF_SCOPE = 10  # one image in so many
_EVENTS = ("received", "claimed", "inferred", "reported", "sent", "sent", "confirmed", "delivered")
_AT_ONCE = 5000

Row = dict[str, Any]


def fill(engine: Engine, instances: int, end: datetime | None = None, *, unread: int | None = None) -> None:
    """Write so many delivered images, one a minute until `end`, into an empty ledger.

    Parameters
    ----------
    unread
        How many of their studies nobody has read, the last ones; all where it is None.
    """
    read = 0 if unread is None else max(0, instances - unread)
    end = end or datetime.now(UTC) - timedelta(days=2)
    for first in range(0, instances, _AT_ONCE):
        rows: dict[type[Record], list[Row]] = {}
        for number in range(first, min(first + _AT_ONCE, instances)):
            for record, row in _image(number, end - timedelta(minutes=instances - number), is_read=number < read):
                rows.setdefault(record, []).append(row)
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            for record, own in rows.items():
                connection.execute(insert(record), own)
    if engine.dialect.name == "postgresql":
        _count_on(engine)


def _count_on(engine: Engine) -> None:
    """Let PostgreSQL number what comes after the rows whose numbers were given to it, and know how many there are."""
    with engine.connect() as connection, connection.begin():
        for record in (StudyRecord, InstanceRecord, ReportRecord):
            sequence = func.pg_get_serial_sequence(record.__tablename__, "id")
            connection.execute(select(func.setval(sequence, select(func.max(record.id)).scalar_subquery())))
        connection.exec_driver_sql("ANALYZE")  # as it does by itself within minutes


def _image(number: int, at: datetime, *, is_read: bool) -> Iterator[tuple[type[Record], Row]]:
    uid, key = f"2.25.{number}", f"{number:064x}"
    excluded = number % _OUT_OF_SCOPE == 0
    state = (State.OUT_OF_SCOPE if excluded else State.DELIVERED).value
    yield (
        StudyRecord,
        {
            "id": number + 1,
            "study_instance_uid": uid,
            "first_received_at": at,
            "reading_rank_at": at,
            "closed_at": at + timedelta(hours=1) if is_read else None,
        },
    )
    yield (
        InstanceRecord,
        {
            "id": number + 1,
            "study_id": number + 1,
            "sop_instance_uid": f"{uid}.1",
            "version": 1,
            "series_instance_uid": f"{uid}.2",
            "sop_class_uid": str(ComputedRadiographyImageStorage),
            "transfer_syntax_uid": str(ExplicitVRLittleEndian),
            "identity": _identity(number),
            "identity_digest": key,
            "pixel_digest": key,
            "object_key": key,
            "object_size": 1_000_000,
            "calling_ae_title": "PACS",
            "state": state,
            "rank_at": at,
            "reason": "lateral_view" if excluded else None,
            "received_at": at,
            "analysed_at": at,
        },
    )
    for event in _EVENTS[: 3 if excluded else None]:
        yield EventRecord, {"instance_id": number + 1, "at": at, "event": event, "state": state}
    if not excluded:
        yield PredictionRecord, _prediction(number, at)
        yield MessageRecord, _message(number, at)
        for place, kind in enumerate(IMAGE_KINDS):
            yield from _report(number * len(IMAGE_KINDS) + place, number, kind, at)


def _identity(number: int) -> Row:
    uid = f"2.25.{number}"
    return {
        "sop_class_uid": str(ComputedRadiographyImageStorage),
        "sop_instance_uid": f"{uid}.1",
        "study_instance_uid": uid,
        "series_instance_uid": f"{uid}.2",
        "patient_id": f"P{number}",
    }


def _prediction(number: int, at: datetime) -> Row:
    return {
        "instance_id": number + 1,
        "outcome": (Outcome.POSITIVE if number % 4 == 1 else Outcome.NEGATIVE).value,
        "probabilities": {"NORMAL": 0.9, "BACTERIA": 0.05, "VIRUS": 0.05},
        "findings": {},
        "p_pneumonia": 0.1,
        "operating_point": "balanced",
        "lower": 0.3,
        "upper": 0.6,
        "prevalence": 0.3,
        "checkpoint_name": "chest",
        "checkpoint_version": "1",
        "checkpoint_digest": "a" * 64,
        "transform": "t",
        "input_digest": "b" * 64,
        "cam": bytes(196),
        "cam_rows": 7,
        "cam_columns": 7,
        "runtime": {},
        "created_at": at,
    }


def _message(number: int, at: datetime) -> Row:
    return {
        "message_id": f"{number:020d}",
        "event": "result",
        "destination": "ris",
        "study_id": number + 1,
        "instance_id": number + 1,
        "priority": 0,
        "priority_source": "default",
        "state": DeliveryState.CONFIRMED.value,
        "attempts": 1,
        "occurred_at": at,
        "created_at": at,
        "confirmed_at": at,
    }


def _report(number: int, instance: int, kind: str, at: datetime) -> Iterator[tuple[type[Record], Row]]:
    uid, key = f"2.25.{instance}.{3 + number % len(IMAGE_KINDS)}", f"{number + (1 << 200):064x}"
    yield (
        ReportRecord,
        {
            "id": number + 1,
            "instance_id": instance + 1,
            "kind": kind,
            "outcome": Outcome.NEGATIVE.value,
            "created_at": at,
            "sop_class_uid": str(EnhancedSRStorage),
            "sop_instance_uid": uid,
            "series_instance_uid": f"{uid}.1",
            "object_key": key,
        },
    )
    yield (
        DeliveryRecord,
        {
            "report_id": number + 1,
            "destination": "pacs",
            "state": DeliveryState.CONFIRMED.value,
            "attempts": 1,
            "created_at": at,
            "status": 0,
            "sent_at": at,
            "confirmed_at": at,
        },
    )
