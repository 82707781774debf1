"""Figures of the disk that objects are written to, for a monitor that calls before it is full."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.objects import Room
from service.vocabulary.errors import StoreUnavailable


class RoomFigures(Collector):
    """Free space and reserve; a disk that does not answer has none of them, and `/readyz` says so."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of one scrape."""
        try:
            free = self._room.free_bytes()
        except StoreUnavailable:
            return
        reserve = self._room.reserve_bytes
        yield GaugeMetricFamily("auscult_store_free_bytes", "Free space of the disk that objects go to.", value=free)
        yield GaugeMetricFamily(
            "auscult_store_reserve_bytes", "Free space below which they are refused.", value=reserve
        )
        yield GaugeMetricFamily(
            "auscult_store_full", "Whether objects are refused for want of space.", value=float(free < reserve)
        )
