"""What a line of an image's history says beyond its kind: a code and its values, never a sentence.

The ledger stores both; what a person reads is looked up by the code (`service.texts`). No code is ever given another
meaning, nor other values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EventDetail(StrEnum):
    """The code of a sentence; the values that it takes are those of its text."""

    FROM = "from"
    IDENTICAL_BYTES = "identical_bytes"
    RESTORED_BYTES = "restored_bytes"
    """Received once more after retention had removed them."""
    BY_WORKER = "by_worker"
    OF_WORKER = "of_worker"
    WORKER_STOPS = "worker_stops"
    AFTER_ATTEMPTS = "after_attempts"
    OUTCOME = "outcome"
    REASON = "reason"
    HOLD = "hold"
    ONE_PATIENT = "one_patient"
    SAME_IMAGE = "same_image"
    """As the version before, in pixels and identity."""
    BY_SETTLED_VERSION = "by_settled_version"
    BY_VERSION = "by_version"
    BY_PERSON = "by_person"
    BY_SOMEBODY = "by_somebody"
    READ = "read"
    READ_BY = "read_by"
    READ_AT = "read_at"
    READ_BY_AT = "read_by_at"
    """By whom, and at which place of the list."""
    OPINION = "opinion"
    OPINION_BY = "opinion_by"
    OPINION_ON = "opinion_on"
    OPINION_ON_BY = "opinion_on_by"
    """With the finding that the person sees instead, and by whom."""
    REPORTS = "reports"
    NO_REPORTS = "no_reports"
    NOT_BUILT = "not_built"
    NOT_DELIVERED = "not_delivered"
    NOT_NEEDED = "not_needed"
    """By retention: every report has reached its destination, or none was due."""
    SENT = "sent"
    NOT_SENT = "not_sent"
    ABANDONED = "abandoned"
    ABANDONED_BY = "abandoned_by"
    OTHER_CLASS = "other_class"
    """The destination does not accept the first SOP class."""
    LATER_DOCUMENT = "later_document"
    """One about the same study has taken the place of one that was given up."""
    ASKED = "asked"
    NOT_COMMITTED = "not_committed"
    NOT_CONFIRMABLE = "not_confirmable"
    CONFIRMED = "confirmed"
    MISSING = "missing"
    MISSING_SUPERSEDED = "missing_superseded"
    LOST = "lost"
    MESSAGE = "message"
    ORDER = "order"
    """What was said of an order, by whom, in which message."""
    ORDER_PROBLEM = "order_problem"
    """The same, and what is against it."""

    def of(self, **values: object) -> "EventFacts":
        """Return the detail with its values: numbers, names, and codes of the vocabulary by their stored values."""
        return EventFacts(self, values)


@dataclass(frozen=True)
class EventFacts:
    """A detail with its values."""

    detail: EventDetail
    values: Mapping[str, object]

    def stored(self) -> dict[str, object]:
        """Return it as the ledger keeps it."""
        return {"detail": self.detail.value, **self.values}
