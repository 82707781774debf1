"""Whatever the ledger holds, retention removes nothing that anybody still needs.

The rows are drawn at random, also such as no part would write; what may go is told by a second hand, row by row.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from service.ledger import Ledger
from service.ledger.database import connect
from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord, ReportRecord, StudyRecord
from service.objects import Room, StoredObject
from service.operations.retention import RetentionRounds
from service.settings import RetentionSettings
from service.vocabulary.identity import Identity
from service.vocabulary.states import DeliveryState, State
from tests.invariants import Invariant
from tests.ledgers import prepare

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class ShelfOfBytes:
    """A store in memory; an object's age is what the test says."""

    room = Room(Path("/"))

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fresh: set[str] = set()

    def put(self, content: bytes) -> StoredObject:
        key = hashlib.sha256(content).hexdigest()
        self.objects[key] = content
        self.fresh.add(key)
        return StoredObject(key, len(content))

    def holds(self, key: str) -> bool:
        return key in self.objects

    def stored(self, prefix: str) -> Iterator[StoredObject]:
        yield from [StoredObject(key, len(value)) for key, value in self.objects.items() if key.startswith(prefix)]

    def remove(self, key: str, minimum_age: float) -> int:
        if key in self.fresh and minimum_age > 0:
            return 0
        return len(self.objects.pop(key, b""))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give a ledger that each example empties."""
    url = f"sqlite:///{tmp_path_factory.mktemp('retention') / 'ledger.sqlite'}"
    prepare(url)
    made = connect(url)
    yield made
    made.dispose()


#: A lease that a worker has, one that is over, for the worker died, and none.
_LEASES = st.sampled_from([None, None, NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)])
_DELIVERIES: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        state=st.sampled_from(DeliveryState),
        lease_until=_LEASES,
        next_attempt_at=st.sampled_from([None, None, NOW + timedelta(days=1), NOW - timedelta(minutes=1)]),
    ),
    max_size=2,
)
_INSTANCES: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        state=st.sampled_from(State),
        uid=st.integers(0, 3),
        content=st.integers(0, 5),
        held=st.booleans(),
        reports_due=st.booleans(),
        detail=st.sampled_from([None, None, "the reports could not be built: x"]),
        lease_until=_LEASES,
        days=st.integers(0, 60),
        reports=st.lists(st.tuples(st.integers(0, 5), _DELIVERIES), max_size=2),
    ),
    max_size=6,
)


def _fill(engine: Engine, drawn: list[dict[str, Any]], shelf: ShelfOfBytes) -> None:
    with Session(engine) as session, session.begin():
        for table in (EventRecord, DeliveryRecord, ReportRecord, InstanceRecord, StudyRecord):
            session.execute(delete(table))
        for number, item in enumerate(drawn):
            _add(session, number, item, shelf)
    shelf.fresh.clear()


def _add(session: Session, number: int, item: dict[str, Any], shelf: ShelfOfBytes) -> None:
    at = NOW - timedelta(days=item["days"])
    study = StudyRecord(
        study_instance_uid=f"1.{number}",
        first_received_at=at,
        reading_rank_at=at,
        held_reason="two patients" if item["held"] else None,
    )
    instance = InstanceRecord(
        study=study,
        sop_instance_uid=f"2.{item['uid']}",
        version=number + 1,
        series_instance_uid="3",
        sop_class_uid="4",
        transfer_syntax_uid="5",
        identity=Identity("4", f"2.{item['uid']}", "1", "3").attributes(),
        identity_digest="",
        object_key=shelf.put(b"object %d" % item["content"]).key,
        object_size=8,
        calling_ae_title="M",
        state=item["state"].value,
        detail=item["detail"],
        flags=[],
        received_at=at,
        rank_at=at,
        lease_owner=item["lease_until"] and "worker",
        lease_until=item["lease_until"],
        reports_due=item["reports_due"],
    )
    for index, (content, deliveries) in enumerate(item["reports"]):
        instance.reports.append(
            ReportRecord(
                kind="text_sr",
                outcome="negative",
                sop_class_uid="6",
                sop_instance_uid=f"7.{number}.{index}",
                series_instance_uid="8",
                object_key=shelf.put(b"object %d" % content).key,
                created_at=at,
                deliveries=[
                    DeliveryRecord(destination=str(place), created_at=at, **{**row, "state": row["state"].value})
                    for place, row in enumerate(deliveries)
                ],
            )
        )
    session.add(instance)


def _is_leased(row: InstanceRecord | DeliveryRecord) -> bool:
    return row.lease_until is not None and row.lease_until > NOW


def _is_settled(instance: InstanceRecord, everyone: list[InstanceRecord]) -> bool:
    """Say by hand whether nobody needs an instance's bytes."""
    if instance.state not in ("delivered", "out of scope", "duplicate", "superseded", "own"):
        return False
    if instance.reports_due or _is_leased(instance) or instance.study.held_reason:
        return False
    if instance.state == "out of scope" and instance.detail:
        return False
    for report in instance.reports:
        for row in report.deliveries:
            is_taken = row.state in ("sent", "unconfirmable", "confirmed") and row.next_attempt_at is None
            if not (is_taken or row.state in ("withdrawn", "abandoned")) or _is_leased(row):
                return False
    return not any(
        other.sop_instance_uid == instance.sop_instance_uid
        and (other.reports_due or other.state in ("received", "claimed", "inferred", "held"))
        for other in everyone
    )


@pytest.mark.proves(Invariant.RETENTION_IS_SAFE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=_INSTANCES, days=st.integers(0, 40), by_watermark=st.booleans())
def test_an_object_goes_only_when_every_row_that_names_it_is_settled(
    engine: Engine, drawn: list[dict[str, Any]], days: int, by_watermark: bool
) -> None:
    shelf = ShelfOfBytes()
    _fill(engine, drawn, shelf)
    before = dict(shelf.objects)
    limits: dict[str, Any] = {"after_days": days}
    if by_watermark:
        limits |= {"quota_bytes": 1, "high_watermark": 0.5, "low_watermark": 0.4}
    store: Any = shelf
    made = RetentionRounds(RetentionSettings(**limits), Ledger(engine, clock=lambda: NOW), store, Mock(), lambda: NOW)
    made.once(parts=256)
    once = dict(shelf.objects)
    made.once(parts=256)
    assert shelf.objects == once, "a second round changes nothing"

    with Session(engine) as session:
        everyone = list(session.scalars(select(InstanceRecord)))
        oldest = NOW - timedelta(0 if by_watermark else days) - timedelta(hours=1)
        may_go: set[str] = set()
        needed: set[str] = set()
        for instance in everyone:
            settled = _is_settled(instance, everyone) and instance.received_at < oldest
            if by_watermark or instance.received_at < NOW - timedelta(days=days):
                assert (instance.object_removed_at is not None) == settled
            keys = {instance.object_key, *(report.object_key for report in instance.reports)}
            (may_go if settled else needed).update(keys)
    assert set(before) - set(shelf.objects) == may_go - needed
