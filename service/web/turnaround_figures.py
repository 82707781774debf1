"""How long things took for each source in this hour and the one before, for a monitor."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.ledger.turnarounds import Turnaround
from service.vocabulary.states import Priority

#: Where a listener takes images under any AE title, strangers must not decide how many series a monitor keeps.
MOST_SOURCES = 50


class TurnaroundFigures(Collector):
    """Quantiles by source, of those that sent most, and the targets.

    Parameters
    ----------
    by_source
        By source and by the name of the figure.
    targets
        By the name of the figure.
    unread_targets
        How long a study may stand unread, by its priority.
    """

    def __init__(
        self,
        by_source: Mapping[str, Mapping[str, Turnaround]],
        targets: Mapping[str, timedelta],
        unread_targets: Mapping[Priority, timedelta],
    ) -> None:
        self._by_source = by_source
        self._targets = targets
        self._unread_targets = unread_targets

    def collect(self) -> Iterator[Metric]:
        """Yield each family."""
        labels = ["source", "span", "quantile"]
        took = GaugeMetricFamily(
            "auscult_turnaround_seconds", "How long things took in this hour and the one before.", labels=labels
        )
        busiest = sorted(self._by_source.items(), key=lambda item: -sum(one.count for one in item[1].values()))
        for source, found in busiest[:MOST_SOURCES]:
            for figure, turnaround in found.items():
                span = figure.removesuffix("_seconds")
                took.add_metric([source, span, "0.5"], turnaround.median.total_seconds())
                took.add_metric([source, span, "0.95"], turnaround.p95.total_seconds())
        yield took
        wanted = GaugeMetricFamily(
            "auscult_turnaround_target_seconds", "What 95 % of them may take, by the settings.", labels=["span"]
        )
        for figure, target in self._targets.items():
            wanted.add_metric([figure.removesuffix("_seconds")], target.total_seconds())
        yield wanted
        unread = GaugeMetricFamily(
            "auscult_unread_target_seconds", "How long a study may stand unread, by the settings.", labels=["priority"]
        )
        for priority, target in self._unread_targets.items():
            unread.add_metric([priority.name.lower()], target.total_seconds())
        yield unread
