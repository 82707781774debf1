"""What the inspection part shows: plain values, detached from the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.ledger.drift import DriftAlarm
from service.ledger.message_views import MessageView
from service.ledger.order_views import OrderView
from service.ledger.records import InstanceRecord, ReportRecord, StudyRecord
from service.ledger.summaries import summary_of
from service.ledger.version_0_1 import flags_of, supersession_of
from service.vocabulary.facts import CloseSource, Flag, Hold, PrioritySource, Supersession
from service.vocabulary.findings import Outcome, PredictionSummary
from service.vocabulary.identity import Identity
from service.vocabulary.orders import OrderState
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State

#: What is counted at each look is counted no further.
MANY = 1000


@dataclass(frozen=True, kw_only=True)
class ResultView(PredictionSummary):
    """What was found of an image, and whether that is the result of an earlier version with the same pixels."""

    reused: bool


@dataclass(frozen=True)
class InstanceView:
    """One version of a received instance."""

    id: int
    sop_instance_uid: str
    version: int
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    identity: Identity
    state: State
    reason: str | None
    detail: str | None
    flags: tuple[Flag, ...]
    object_key: str
    object_size: int
    object_removed_at: datetime | None
    calling_ae_title: str
    received_at: datetime
    analysed_at: datetime | None
    attempts: int
    superseding_reason: Supersession | None
    hold: Hold | None
    reports_due: bool
    in_shadow: bool
    result: ResultView | None


@dataclass(frozen=True)
class ReadingView:
    """That a person has read a study.

    Attributes
    ----------
    by
        The name of the person; None where it is not known.
    came_after_at
        When an image or a result came last that nobody can have read then; None where there is none.
    """

    at: datetime
    source: CloseSource
    by: str | None
    came_after_at: datetime | None


@dataclass(frozen=True)
class StudyView:
    """A study and the version in force of each of its instances; the first received comes first.

    Attributes
    ----------
    reading_rank_at
        The moment that the study is sorted by: its arrival minus the boost of its priority.
    reading
        None while the study is open.
    claimed_by
        AE title of the workstation that reads it just now.
    instances
        Without our own objects, duplicates and superseded versions.
    deliveries
        How many objects are in which state, by destination.
    """

    id: int
    study_instance_uid: str
    first_received_at: datetime
    priority: Priority
    priority_source: PrioritySource
    reading_rank_at: datetime
    hold: Hold | None
    reading: ReadingView | None
    claimed_by: str | None
    instances: tuple[InstanceView, ...]
    deliveries: Mapping[str, Mapping[DeliveryState, int]]


@dataclass(frozen=True)
class EventView:
    """One line of an instance's history.

    Attributes
    ----------
    detail
        What an error said, in English; of version 0.1, any sentence.
    facts
        What it says beyond its kind: the code of an `EventDetail` under ``detail``, and its values.
    """

    at: datetime
    sop_instance_uid: str
    version: int
    event: str
    state: State
    detail: str | None
    facts: Mapping[str, Any] | None


@dataclass(frozen=True)
class DeliveryView:
    """One object on its way to one destination."""

    destination: str
    state: DeliveryState
    attempts: int
    status: int | None
    detail: str | None
    next_attempt_at: datetime | None
    sent_at: datetime | None
    confirmed_at: datetime | None


@dataclass(frozen=True)
class ReportView:
    """One object that we built, with its deliveries."""

    source_sop_instance_uid: str
    source_version: int
    kind: str
    outcome: Outcome
    sop_class_uid: str
    sop_instance_uid: str
    object_key: str
    object_removed_at: datetime | None
    created_at: datetime
    returned_at: datetime | None
    deliveries: tuple[DeliveryView, ...]


@dataclass(frozen=True)
class StudyHistory:
    """All that the ledger knows of a study: versions, events, reports, messages, and what was said of its orders."""

    study: StudyView
    versions: tuple[InstanceView, ...]
    events: tuple[EventView, ...]
    reports: tuple[ReportView, ...]
    messages: tuple[MessageView, ...] = ()
    orders: tuple[OrderView, ...] = ()

    @property
    def hold(self) -> Hold | None:
        """Why the study, or an image of it in shadow, waits for a person's word; None where nothing does."""
        return self.study.hold or next((view.hold for view in self.versions if view.state is State.HELD), None)


@dataclass(frozen=True)
class UntakenView:
    """How much a destination failed to take and is sent again, and when the first of it came up."""

    count: int
    since: datetime


@dataclass(frozen=True)
class StatusView:
    """Counts over the whole ledger.

    Attributes
    ----------
    studies, open_studies
        On the list, read or not, and those of them that nobody has read.
    came_after
        Studies with an image or a result that came after they were read; of many no more than `MANY`.
    out_of_scope, failures
        Images that are not analysed, and images that failed or whose report could not be built, by reason.
    outbox
        Objects and messages by destination and state.
    commitment_requests, orders
        Storage commitments that peers ask of us, and what a RIS said of orders, by state.
    oldest_unanswered_since
        Since when the peer that waits longest for our answer has been waiting; None when none waits.
    oldest_waiting_since
        When the image that waits longest for its analysis was received; None when none waits.
    oldest_unsent_since
        Since when the result that waits longest for its report, or a report or message for its destination, has been
        waiting; None when none waits. What is on hold is left out.
    oldest_unread_since
        By priority above routine, when the open study that arrived first came.
    held_studies
        Study Instance UIDs on hold and why.
    drifting
        Alarms about machines, the longest first.
    untaken
        By destination, what failed more than once and is tried on: the destination is away, or refuses.
    """

    studies: int
    open_studies: int
    came_after: int
    states: Mapping[State, int]
    out_of_scope: Mapping[str, int]
    failures: Mapping[str, int]
    outcomes: Mapping[Outcome, int]
    outbox: Mapping[str, Mapping[DeliveryState, int]]
    commitment_requests: Mapping[CommitmentState, int]
    orders: Mapping[OrderState, int]
    oldest_unanswered_since: datetime | None
    oldest_waiting_since: datetime | None
    oldest_unsent_since: datetime | None
    held_studies: Mapping[str, Hold]
    oldest_unread_since: Mapping[Priority, datetime] = field(default_factory=dict)
    drifting: tuple[DriftAlarm, ...] = ()
    untaken: Mapping[str, UntakenView] = field(default_factory=dict)


def instance_view(row: InstanceRecord) -> InstanceView:
    """Return what is shown of a version of an instance."""
    return InstanceView(
        id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        version=row.version,
        series_instance_uid=row.series_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        identity=Identity(**row.identity),
        state=State(row.state),
        reason=row.reason,
        detail=row.detail,
        flags=flags_of(row),
        object_key=row.object_key,
        object_size=row.object_size,
        object_removed_at=row.object_removed_at,
        calling_ae_title=row.calling_ae_title,
        received_at=row.received_at,
        analysed_at=row.analysed_at,
        attempts=row.attempts,
        superseding_reason=supersession_of(row),
        hold=Hold(row.hold) if row.hold is not None else None,
        reports_due=row.reports_due,
        in_shadow=row.shadow_id is not None,
        result=ResultView(**summary_of(row.prediction), reused=row.prediction.reused) if row.prediction else None,
    )


def reading_view(row: StudyRecord) -> ReadingView | None:
    """Return that a study was read; None while it is open."""
    if row.closed_at is None or row.close_source is None:
        return None
    return ReadingView(row.closed_at, CloseSource(row.close_source), row.closed_by, row.came_after_at)


def report_view(row: ReportRecord) -> ReportView:
    """Return what is shown of a report."""
    return ReportView(
        source_sop_instance_uid=row.instance.sop_instance_uid,
        source_version=row.instance.version,
        kind=row.kind,
        outcome=Outcome(row.outcome),
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        object_key=row.object_key,
        object_removed_at=row.object_removed_at,
        created_at=row.created_at,
        returned_at=row.returned_at,
        deliveries=tuple(
            DeliveryView(
                destination=delivery.destination,
                state=DeliveryState(delivery.state),
                attempts=delivery.attempts,
                status=delivery.status,
                detail=delivery.detail,
                next_attempt_at=delivery.next_attempt_at,
                sent_at=delivery.sent_at,
                confirmed_at=delivery.confirmed_at,
            )
            for delivery in sorted(row.deliveries, key=lambda delivery: delivery.destination)
        ),
    )
