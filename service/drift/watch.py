"""The watch over machines: each one's images against their reference, and the alarms that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from service.drift.control_chart import Chart, walk
from service.drift.reference import Baseline, chart_of, looks, of_card, of_site
from service.ledger.checkpoints import InUse
from service.ledger.drift import AlarmKey, Drift, DriftGroup, Observation
from service.process.log import get_logger
from service.settings import DriftSettings
from service.vocabulary.acquisition import KvpBand
from service.vocabulary.drift import Characteristic

log = get_logger(__name__)

#: Images of a group, the latest, that its charts go over.
_WINDOW = 1000
#: Charts of a group, among which its false alarms are shared out.
_CHARTS = len(Characteristic)


@dataclass(frozen=True)
class Charted:
    """The chart of one characteristic over the latest images.

    Attributes
    ----------
    share
        Share of the images on the chart that have the characteristic; None where there are none.
    sums
        The chart's sum after each image, in its units.
    alarm_since
        When the image came with which the alarm began that stands; None where none does.
    """

    characteristic: Characteristic
    chart: Chart
    share: float | None
    sums: tuple[int, ...]
    alarm_since: datetime | None


@dataclass(frozen=True)
class Watched:
    """What is known of a machine's images in one view and band of tube voltages, as one checkpoint judges them.

    Attributes
    ----------
    checkpoint, checkpoint_digest
        Its name and version, and the digest of its weights.
    latest
        The images that were compared with the reference: those after its window.
    """

    machine_id: int
    view_position: str
    kvp_band: KvpBand
    checkpoint: str
    checkpoint_digest: str
    reference: Baseline
    card: Baseline
    latest: Baseline | None
    charts: tuple[Charted, ...]

    @property
    def group(self) -> DriftGroup:
        """The machine, view and band."""
        return DriftGroup(self.machine_id, self.view_position, self.kvp_band)


class Watch:
    """Looks over all machines."""

    def __init__(self, settings: DriftSettings, drift: Drift) -> None:
        self._settings = settings
        self._drift = drift

    def once(self) -> None:
        """Look over all machines, and let exactly those alarms stand that their charts show.

        Raises
        ------
        LedgerUnavailable
            When the ledger does not answer.
        """
        standing: dict[AlarmKey, datetime] = {
            (one.group, one.checkpoint_digest, charted.characteristic): charted.alarm_since
            for one in self.machines()
            for charted in one.charts
            if charted.alarm_since is not None
        }
        for group, digest, characteristic in self._drift.settle(standing):
            named = (group.machine_id, group.view_position, group.kvp_band.value, (digest or "")[:12])
            what = "machine %d, view %r, tube voltage %s, checkpoint %s: %s than its reference"
            log.warning(what, *named, characteristic.value)

    def machines(self) -> list[Watched]:
        """Return what is known of each group that an image was received of, under each checkpoint that judges it."""
        used = [(in_use, of_card(self._drift.card(in_use), in_use)) for in_use in self._drift.in_use()]
        watched = (self._watched(group, *of) for group in self._drift.groups() for of in used)
        # Of two checkpoints that share the ages out, most machines have images for one.
        return [one for one in watched if len(used) == 1 or one.latest is not None or one.reference.images]

    def _watched(self, group: DriftGroup, in_use: InUse, card: Baseline) -> Watched:
        window = self._drift.first(group, in_use, self._settings.reference_images, self._span())
        is_whole = len(window) >= self._settings.reference_images or (self._span() is not None and bool(window))
        if not is_whole:
            window = []
        reference = of_site(window) if window else card
        images = self._drift.last(group, in_use, _WINDOW, window[-1].instance_id if window else 0)
        charts = tuple(self._charts(reference, window, images))
        named = (in_use.checkpoint, in_use.checkpoint_digest)
        return Watched(*group, *named, reference, card, of_site(images) if images else None, charts)

    def _charts(
        self, reference: Baseline, window: Sequence[Observation], images: Sequence[Observation]
    ) -> list[Charted]:
        charts = []
        for characteristic, look in looks(reference).items():
            chart = chart_of(
                characteristic, look, reference, window, self._settings.images_between_false_alarms * _CHARTS
            )
            seen = [(image, has) for image in images if (has := look(image)) is not None]
            path = walk(chart, (has for _, has in seen))
            since = seen[path.alarm_at][0].received_at if path.alarm_at is not None else None
            share = sum(has for _, has in seen) / len(seen) if seen else None
            charts.append(Charted(characteristic, chart, share, path.sums, since))
        return charts

    def _span(self) -> tuple[datetime, datetime] | None:
        first, last = self._settings.reference_from, self._settings.reference_to
        if first is None or last is None:
            return None
        return (
            datetime.combine(first, time.min).astimezone(UTC),
            datetime.combine(last + timedelta(days=1), time.min).astimezone(UTC),
        )
