"""The figures that a monitor asks for, and what a process has counted of them.

Counts are kept in memory and brought to the ledger by `service.ledger.figures`; there every process of a site adds
to the same sums. No figure has an AE title, an address or a UID for a label: what strangers send must not decide how
many series a monitor keeps.
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.vocabulary.turnaround import TurnaroundKey, bucket_of, hour_of

_WAITS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True)
class Figure:
    """One figure: a counter by one label, or a histogram.

    Attributes
    ----------
    name
        Without the prefix ``auscult_`` and, for a counter, without the ending ``_total``.
    label
        What a counter is told apart by.
    bounds
        The upper bounds of a histogram's buckets, without infinity; empty for a counter.
    """

    name: str
    text: str
    label: str = ""
    bounds: tuple[float, ...] = ()


RECEIVED = Figure("objects_received", "Objects that were acknowledged, by what the ledger made of them.", "result")
REFUSED = Figure("objects_refused", "Objects that were answered with another status than success.", "status")
ANALYSED = Figure("images_analysed", "Images that the network was run on, or whose result was reused.", "outcome")
OUT_OF_SCOPE = Figure("images_out_of_scope", "Objects that were not analysed.", "reason")
SENT = Figure("reports_sent", "Objects that a destination took.", "destination")
CONFIRMED = Figure("reports_confirmed", "Objects that a destination said it holds.", "destination")
DEAD = Figure("reports_dead", "Objects that were given up.", "destination")
MISSING = Figure("reports_missing", "Objects that a destination took and then did not hold; sent again.", "destination")
UNCONFIRMABLE = Figure(
    "reports_unconfirmable", "Objects that a destination took and could not say whether it holds.", "destination"
)
MESSAGES_TAKEN = Figure("messages_taken", "Messages that a destination said it took.", "destination")
MESSAGES_DEAD = Figure("messages_dead", "Messages that were given up.", "destination")
HL7_HEARD = Figure("messages_heard", "HL7 messages that came, by what was made of them.", "result")
HL7_REFUSED = Figure(
    "message_connections_refused", "Connections to the listener for HL7 that were not let in, by reason.", "reason"
)
TO_FLAG = Figure("receipt_to_flag_seconds", "From the receipt of an image to its result.", bounds=_WAITS_S)
TO_READ = Figure(
    "flag_to_read_seconds",
    "From a study's first result to its reading; of a study that was read before any result, nothing.",
    bounds=(*_WAITS_S, 7200.0, 14400.0, 28800.0, 86400.0),
)
TO_REPORT = Figure("receipt_to_report_seconds", "From the receipt of an image to its built reports.", bounds=_WAITS_S)
TO_CONFIRMED = Figure(
    "receipt_to_confirmed_seconds",
    "From the receipt of an image to a destination's word for each object.",
    bounds=_WAITS_S,
)
BATCH = Figure(
    "batch_images", "Images in one forward pass.", bounds=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
)

ASSOCIATIONS_REFUSED = Figure(
    "associations_refused", "Associations and connections that were not let in, by reason.", "reason"
)
CONTEXTS_REFUSED = Figure(
    "presentation_contexts_refused", "Presentation contexts that were refused on associations, by reason.", "reason"
)

FIGURES = (
    RECEIVED,
    REFUSED,
    ASSOCIATIONS_REFUSED,
    CONTEXTS_REFUSED,
    ANALYSED,
    OUT_OF_SCOPE,
    SENT,
    CONFIRMED,
    MISSING,
    UNCONFIRMABLE,
    DEAD,
    MESSAGES_TAKEN,
    MESSAGES_DEAD,
    HL7_HEARD,
    HL7_REFUSED,
    TO_FLAG,
    TO_READ,
    TO_REPORT,
    TO_CONFIRMED,
    BATCH,
)

#: Those whose waits are kept by source and hour too.
TURNAROUNDS = (TO_FLAG, TO_READ, TO_CONFIRMED)

#: A sum in the ledger: the name of a series, and the value of its label or of a bucket's bound.
FigureKey = tuple[str, str]


class Tally:
    """What a process has counted and the ledger does not know yet; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[FigureKey, float] = defaultdict(float)
        self._turnarounds: Counter[TurnaroundKey] = Counter()

    def count(self, figure: Figure, value: str) -> None:
        """Count one more of a figure."""
        self.add({(figure.name, value): 1.0})

    def observe(self, figure: Figure, value: float) -> None:
        """Put a value into a histogram."""
        place = bisect_left(figure.bounds, value)
        bound = str(figure.bounds[place]) if place < len(figure.bounds) else "+Inf"
        self.add({(figure.name, bound): 1.0, (f"{figure.name}_sum", ""): value})

    def turn(self, figure: Figure, waited: timedelta, source: str, at: datetime) -> None:
        """Put a turnaround into its histogram, and into those of who sent the image, hour by hour.

        Parameters
        ----------
        source
            The calling AE title of the image.
        at
            When the wait ended.
        """
        self.observe(figure, waited.total_seconds())
        with self._lock:
            self._turnarounds[figure.name, hour_of(at), source, bucket_of(waited)] += 1

    def add(self, counts: dict[FigureKey, float]) -> None:
        """Add counts, new ones or such as could not be brought away."""
        with self._lock:
            for key, number in counts.items():
                self._counts[key] += number

    def take(self) -> dict[FigureKey, float]:
        """Return everything, and begin anew."""
        with self._lock:
            taken, self._counts = dict(self._counts), defaultdict(float)
        return taken

    def add_turnarounds(self, counts: Counter[TurnaroundKey]) -> None:
        """Add turnarounds that could not be brought away."""
        with self._lock:
            self._turnarounds += counts

    def take_turnarounds(self) -> Counter[TurnaroundKey]:
        """Return all turnarounds, and begin anew."""
        with self._lock:
            taken, self._turnarounds = self._turnarounds, Counter()
        return taken
