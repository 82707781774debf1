"""What `/metrics` tells, from a scrape of a site that has one of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from docs.tables import table
from service.ledger.drift import DriftAlarm
from service.ledger.turnarounds import Turnaround
from service.ledger.views import StatusView
from service.objects import Room
from service.process.clock import Clock
from service.settings import TurnaroundSettings
from service.vocabulary.acquisition import KvpBand
from service.vocabulary.drift import Characteristic
from service.vocabulary.figures import FIGURES, TO_FLAG
from service.vocabulary.findings import Outcome
from service.vocabulary.orders import OrderState
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State
from service.web.metrics import Scrape
from service.web.room_figures import RoomFigures
from service.web.turnaround_figures import TurnaroundFigures

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SITE = StatusView(
    studies=1,
    open_studies=1,
    came_after=1,
    states={State.DELIVERED: 1},
    out_of_scope={"lateral_view": 1},
    failures={"analysis_failed": 1},
    outcomes={Outcome.POSITIVE: 1},
    outbox={"pacs": {DeliveryState.CONFIRMED: 1}},
    oldest_waiting_since=_NOW,
    oldest_unsent_since=_NOW,
    oldest_unread_since={Priority.STAT: _NOW},
    held_studies={},
    orders={OrderState.USED: 1},
    commitment_requests={CommitmentState.WAITING: 1},
    oldest_unanswered_since=_NOW,
    drifting=(DriftAlarm(1, "", "PA", KvpBand.HIGH, Characteristic.MORE_POSITIVE, _NOW, ""),),
)


def metrics() -> str:
    """Return each family: its name as a query writes it, its kind, its labels, its meaning."""
    clock: Clock = lambda: _NOW  # noqa: E731
    rows = []
    totals = {(figure.name, "x"): 1.0 for figure in FIGURES if figure.label}
    scrape, room = Scrape(_SITE, totals, clock, audit_fails=False), RoomFigures(Room(Path("/"), 0))
    took = {TO_FLAG.name: Turnaround(TO_FLAG.name, 1, timedelta(1), timedelta(1))}
    wanted = TurnaroundSettings()
    turnarounds = TurnaroundFigures({"CT1": took}, wanted.targets, wanted.unread_targets)
    for family in (*scrape.collect(), *room.collect(), *turnarounds.collect()):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation))
    return table(("name", "kind", "labels", "what"), rows)
