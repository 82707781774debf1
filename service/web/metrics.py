"""Figures for a monitor, in Prometheus' text format: from the ledger at each scrape; never patient data.

Gauges are counted from its rows; counters and histograms are the sums that all processes of the site add to.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.ledger.unread import URGENT
from service.ledger.views import MANY, StatusView
from service.objects import Room
from service.process.clock import Clock
from service.refused import RefusedCaller
from service.vocabulary.figures import FIGURES, Figure, FigureKey
from service.web.room_figures import RoomFigures
from service.web.turnaround_figures import TurnaroundFigures


def exposition(
    status: StatusView,
    totals: Mapping[FigureKey, float],
    clock: Clock,
    room: Room,
    *,
    audit_fails: bool,
    refused: Sequence[RefusedCaller] = (),
    turnarounds: TurnaroundFigures | None = None,
) -> bytes:
    """Return the metrics page of a status, of the sums of all processes, of the objects' disk and of each source."""
    registry = CollectorRegistry()
    registry.register(Scrape(status, totals, clock, audit_fails=audit_fails, refused=refused))
    registry.register(RoomFigures(room))
    if turnarounds is not None:
        registry.register(turnarounds)
    return generate_latest(registry)


class Scrape(Collector):
    """The figures of one scrape."""

    def __init__(
        self,
        status: StatusView,
        totals: Mapping[FigureKey, float],
        clock: Clock,
        *,
        audit_fails: bool,
        refused: Sequence[RefusedCaller] = (),
    ) -> None:
        self._audit_fails = audit_fails
        self._refused = refused
        self._status = status
        self._totals = totals
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        for figure in FIGURES:
            yield _histogram(figure, self._totals) if figure.bounds else _counter(figure, self._totals)
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        status = self._status
        yield _family("instances", "Received instances by state.", "state", status.states)
        yield _family("out_of_scope", "Images that are not analysed, by reason.", "reason", status.out_of_scope)
        yield _family("failures", "Failed images by reason; a person is called for.", "reason", status.failures)
        yield _family("outcomes", "Analysed images by outcome.", "outcome", status.outcomes)
        deliveries = GaugeMetricFamily(
            "auscult_deliveries", "Objects in the outbox by destination and state.", labels=["destination", "state"]
        )
        for destination, counts in status.outbox.items():
            for state, number in counts.items():
                deliveries.add_metric([destination, str(state)], number)
        yield deliveries
        untaken = {destination: view.count for destination, view in status.untaken.items()}
        yield _family("untaken", "What a destination failed to take and is sent again.", "destination", untaken)
        yield _family("orders", "What was heard of orders, by what became of it.", "state", status.orders)
        requests = status.commitment_requests
        yield _family("commitment_requests", "Storage commitments that peers ask of us.", "state", requests)
        unanswered = self._age(status.oldest_unanswered_since)
        yield _single("oldest_unanswered_seconds", "Age of the peer's request that waits longest.", unanswered)
        waiting, unsent = self._age(status.oldest_waiting_since), self._age(status.oldest_unsent_since)
        yield _single("oldest_waiting_seconds", "Age of the image that waits longest for its analysis.", waiting)
        yield _single("oldest_unsent_seconds", "Age of the result or report that waits longest to be sent.", unsent)
        oldest = {priority.name.lower(): self._age(status.oldest_unread_since.get(priority)) for priority in URGENT}
        text = "Age of the study that arrived first of those that nobody has read."
        yield _family("oldest_unread_seconds", text, "priority", oldest)
        yield _not_let_in(self._refused)
        yield _single("audit_failing", "Whether the audit trail of this machine fails.", self._audit_fails)
        yield _single("studies", "Studies in the worklist, read or not.", status.studies)
        yield _single("open_studies", "Studies that nobody has read.", status.open_studies)
        yield _single(
            "studies_with_late_results",
            f"Studies with an image or a result that came after they were read; of many no more than {MANY}.",
            status.came_after,
        )
        drifting = GaugeMetricFamily(
            "auscult_drift_alarms", "Alarms about machines, by what their images show.", labels=["characteristic"]
        )
        for characteristic, number in Counter(one.characteristic for one in status.drifting).items():
            drifting.add_metric([characteristic.value], number)
        yield drifting
        yield _single("held_studies", "Studies on hold; nothing of them is sent.", len(status.held_studies))

    def _age(self, since: datetime | None) -> float:
        return (self._clock() - since).total_seconds() if since is not None else 0.0


def _not_let_in(refused: Iterable[RefusedCaller]) -> Metric:
    """Return who was refused; strangers choose what stands in the labels, so the ledger bounds how many there are."""
    labels = ["reason", "address", "calling_ae_title", "setting"]
    family = GaugeMetricFamily(
        "auscult_not_let_in", "Refusals in a week by peer, and what would admit it.", labels=labels
    )
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for caller in refused:
        counts[str(caller.reason), caller.address, caller.calling_ae_title, caller.setting or ""] += caller.count
    for values, number in counts.items():
        family.add_metric(list(values), number)
    return family


def _counter(figure: Figure, totals: Mapping[FigureKey, float]) -> Metric:
    family = CounterMetricFamily(f"auscult_{figure.name}", figure.text, labels=[figure.label])
    for (name, label), number in sorted(totals.items()):
        if name == figure.name:
            family.add_metric([label], number)
    return family


def _histogram(figure: Figure, totals: Mapping[FigureKey, float]) -> Metric:
    buckets, count = [], 0.0
    for bound in (*map(str, figure.bounds), "+Inf"):
        count += totals.get((figure.name, bound), 0.0)
        buckets.append((bound, count))
    total = totals.get((f"{figure.name}_sum", ""), 0.0)
    return HistogramMetricFamily(f"auscult_{figure.name}", figure.text, buckets=buckets, sum_value=total)


def _family(name: str, text: str, label: str, counts: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"auscult_{name}", text, labels=[label])
    for value, number in counts.items():
        family.add_metric([str(value)], number)
    return family


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"auscult_{name}", text, value=value)
