"""A ledger with the history of a hospital, as the ledger would have left it after years.

Each study has one image; all of it was delivered and confirmed long ago, but for a share that is out of scope. What one
day leaves is written row by row, and every further day is a copy that the database makes by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pydicom.uid import ComputedRadiographyImageStorage, EnhancedSRStorage, ExplicitVRLittleEndian
from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, func, insert, literal, select, update

from service.ledger.counts import TurnaroundRecord
from service.ledger.feedback_records import FeedbackRecord
from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.ledger.message_records import MessageRecord
from service.ledger.moment import Moment
from service.ledger.order_records import AccessionRecord, OrderRecord
from service.ledger.record_base import Record
from service.ledger.records import (
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
    PredictionRecord,
    ReportRecord,
    StudyRecord,
)
from service.ledger.work_item_records import WorkItemRecord
from service.vocabulary.figures import TURNAROUNDS
from service.vocabulary.findings import Outcome
from service.vocabulary.orders import OrderEvent, OrderState
from service.vocabulary.report_kinds import IMAGE_KINDS
from service.vocabulary.states import DeliveryState, State
from service.vocabulary.turnaround import hour_of
from service.vocabulary.work_items import WorkItemState

_OUT_OF_SCOPE = 10  # one image in so many
_EVENTS = ("received", "claimed", "inferred", "reported", "sent", "sent", "confirmed", "delivered")
_A_DAY = 5000
#: Hours whose turnarounds are kept, as by default, and buckets of each of them.
_HOURS, _BUCKETS = 90 * 24, 20
_MACHINES = 10
#: The tables that history fills, and how many numbers an image has in each; in the order of their references.
_PER_IMAGE: dict[type[Record], int] = {
    StudyRecord: 1,
    InstanceRecord: 1,
    EventRecord: len(_EVENTS),
    PredictionRecord: 1,
    MessageRecord: 1,
    ReportRecord: len(IMAGE_KINDS),
    DeliveryRecord: len(IMAGE_KINDS),
    AcquisitionRecord: 1,
    AccessionRecord: 1,
    OrderRecord: 1,
    WorkItemRecord: 1,
    FeedbackRecord: 1,
}
_UNIQUE = ("study_instance_uid", "sop_instance_uid", "series_instance_uid", "message_id", "accession_number")
_DIGESTS = ("identity_digest", "patient_digest", "pixel_digest", "object_key", "digest")

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
    day = min(instances, _A_DAY)
    with _loading(engine) as connection:
        _write(connection, day, end - timedelta(minutes=instances))
        for number in range(1, -(-instances // max(day, 1))):
            _copy(connection, day, number, min(day, instances - number * day))
        of_unread = update(StudyRecord).where(StudyRecord.id > read)
        connection.execute(of_unread.values(closed_at=None, close_source=None))
        _write_turnarounds(connection, min(instances // 60, _HOURS), end)


@contextmanager
def _loading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction without the indexes, which are quicker made at its end; PostgreSQL then looks at its rows."""
    is_postgresql = engine.dialect.name == "postgresql"
    indexes = [index for record in _PER_IMAGE for index in _table(record).indexes]
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if is_postgresql:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # references are not checked
        for index in indexes:
            index.drop(connection)
        yield connection
        for index in indexes:
            index.create(connection)
        numbered: list[type[Record]] = [*_PER_IMAGE, MachineRecord] if is_postgresql else []
        for record in numbered:
            number = _table(record).c.id
            sequence = func.pg_get_serial_sequence(record.__tablename__, "id")
            connection.execute(select(func.setval(sequence, select(func.max(number)).scalar_subquery())))
        if is_postgresql:
            connection.exec_driver_sql("ANALYZE")  # as it does by itself within minutes


def _table(record: type[Record]) -> Table:
    return record.metadata.tables[record.__tablename__]


def _write(connection: Connection, images: int, since: datetime) -> None:
    rows: dict[type[Record], list[Row]] = {MachineRecord: [_machine(number, since) for number in range(_MACHINES)]}
    for number in range(images):
        for record, row in _image(number, since + timedelta(minutes=number)):
            rows.setdefault(record, []).append(row)
    tables: list[type[Record]] = [MachineRecord, *_PER_IMAGE]
    for table in tables:
        if rows.get(table):
            connection.execute(insert(table), rows[table])


def _copy(connection: Connection, day: int, number: int, images: int) -> None:
    """Let the database write the first images of the first day again, as those of a later one."""
    later = timedelta(minutes=number * day)
    for record, per_image in _PER_IMAGE.items():
        table = _table(record)
        columns = [_moved(connection, column, day, number, later) for column in table.columns]
        rows = select(*columns).where(table.c.id <= images * per_image)
        connection.execute(insert(table).from_select([column.name for column in table.columns], rows))


def _moved(connection: Connection, column: Column[Any], day: int, number: int, later: timedelta) -> ColumnElement[Any]:
    """Return what stands in a column of the copy: numbers, moments and names of its own, and all else as it was."""
    per_image = {record.__tablename__: count for record, count in _PER_IMAGE.items()}
    key = next(iter(column.foreign_keys), None)
    found: ColumnElement[Any] = column
    if column.name == "id" or key is not None:
        table = column.table.name if key is None else key.column.table.name
        found = column + number * day * per_image.get(table, 0)
    elif isinstance(column.type, Moment) and connection.dialect.name == "postgresql":
        found = column + literal(later)
    elif isinstance(column.type, Moment):
        found = func.strftime("%Y-%m-%d %H:%M:%f000", column, f"+{later // timedelta(minutes=1)} minutes")
    elif column.name in _UNIQUE:
        found = column + f".9.{number}"
    elif column.name in _DIGESTS:
        found = literal(f"{number:08x}") + func.substr(column, 9)
    return found


def _write_turnarounds(connection: Connection, hours: int, end: datetime) -> None:
    rows = [
        {
            "hour": hour_of(end) - timedelta(hours=hour),
            "figure": figure.name,
            "source": "PACS",
            "bucket": bucket,
            "count": 1,
        }
        for hour in range(hours)
        for figure in TURNAROUNDS
        for bucket in range(_BUCKETS)
    ]
    if rows:
        connection.execute(insert(TurnaroundRecord), rows)


def _machine(number: int, at: datetime) -> Row:
    names = {"manufacturer": "M", "model_name": "X", "station_name": f"ROOM{number}", "device_serial_number": ""}
    return {"id": number + 1, **names, "first_seen_at": at}


def _image(number: int, at: datetime) -> Iterator[tuple[type[Record], Row]]:
    excluded = number % _OUT_OF_SCOPE == 0
    state = (State.OUT_OF_SCOPE if excluded else State.DELIVERED).value
    yield StudyRecord, _study(number, at)
    yield InstanceRecord, _instance(number, at, state)
    for place, event in enumerate(_EVENTS[: 3 if excluded else None]):
        line = number * len(_EVENTS) + place + 1
        yield EventRecord, {"id": line, "instance_id": number + 1, "at": at, "event": event, "state": state}
    machine = {"machine_id": number % _MACHINES + 1, "view_position": "AP", "kvp_band": "low"}
    yield AcquisitionRecord, {"id": number + 1, "instance_id": number + 1, **machine, "distance": 0.5}
    yield AccessionRecord, {"id": number + 1, "study_id": number + 1, "accession_number": f"A{number}"}
    yield OrderRecord, _order(number, at)
    yield WorkItemRecord, _work_item(number, at)
    if not excluded:
        yield PredictionRecord, _prediction(number, at)
        yield MessageRecord, _message(number, at)
        said = {"at": at, "person": "R", "opinion": "agree"}
        yield FeedbackRecord, {"id": number + 1, "instance_id": number + 1, **said}
        for place, kind in enumerate(IMAGE_KINDS):
            yield from _report(number * len(IMAGE_KINDS) + place, number, kind, at)


def _study(number: int, at: datetime) -> Row:
    return {
        "id": number + 1,
        "study_instance_uid": f"2.25.{number}",
        "first_received_at": at,
        "reading_rank_at": at,
        "closed_at": at + timedelta(hours=1),
        "close_source": "command",
    }


def _instance(number: int, at: datetime, state: str) -> Row:
    uid, key = f"2.25.{number}", f"{number:064x}"
    return {
        "id": number + 1,
        "study_id": number + 1,
        "sop_instance_uid": f"{uid}.1",
        "version": 1,
        "series_instance_uid": f"{uid}.2",
        "sop_class_uid": str(ComputedRadiographyImageStorage),
        "transfer_syntax_uid": str(ExplicitVRLittleEndian),
        "identity": _identity(number),
        "identity_digest": key,
        "patient_digest": key,
        "pixel_digest": key,
        "object_key": key,
        "object_size": 1_000_000,
        "calling_ae_title": "PACS",
        "state": state,
        "rank_at": at,
        "reason": "lateral_view" if state == State.OUT_OF_SCOPE.value else None,
        "received_at": at,
        "analysed_at": at,
    }


def _order(number: int, at: datetime) -> Row:
    said = {"patient_ids": [[f"P{number}"]], "patient_names": [f"N^{number}"], "birth_date": "", "indication": ""}
    return {
        "id": number + 1,
        "sender": "RIS",
        "message_id": f"{number}",
        "digest": f"{number:064x}",
        "number": 0,
        "heard_at": at,
        "event": OrderEvent.ORDERED.value,
        "study_instance_uid": f"2.25.{number}",
        "accession_number": f"A{number}",
        **said,
        "patient_class": "",
        "state": OrderState.USED.value,
        "study_id": number + 1,
    }


def _work_item(number: int, at: datetime) -> Row:
    return {
        "id": number + 1,
        "study_id": number + 1,
        "number": 1,
        "sop_instance_uid": f"2.25.{number}.8",
        "state": WorkItemState.COMPLETED.value,
        "created_at": at,
        "ended_at": at + timedelta(hours=1),
    }


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
        "id": number + 1,
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
        "id": number + 1,
        "message_id": f"{number:010d}",
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
            "id": number + 1,
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
