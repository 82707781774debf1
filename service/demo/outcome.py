"""What became of the images that a demonstration forwarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.demo.forwarding import Forwarded
from service.demo.pacs import Held
from service.ledger import Ledger
from service.texts import texts_in
from service.vocabulary.language import Language
from service.vocabulary.states import DeliveryState, Priority, State
from service.worklist import row_of

#: A demonstration speaks English, whatever the site's language: its own lines are.
_SAY = texts_in(Language.ENGLISH)
_FINAL = {State.REPORTED, State.DELIVERED, State.OUT_OF_SCOPE, State.FAILED, State.DUPLICATE, State.HELD}
_SETTLED = {DeliveryState.SENT, DeliveryState.CONFIRMED, DeliveryState.UNCONFIRMABLE, DeliveryState.WITHDRAWN}


@dataclass(frozen=True)
class ImageOutcome:
    """What became of one image.

    Attributes
    ----------
    state
        None for an image that was not acknowledged.
    sent_as, read_as
        Its place in the order of sending, and its study's in the order of reading, from 1; None where it has none.
    seconds
        From the acknowledgement to the arrival of the last of its reports in the PACS; None while none is there.
    """

    study_instance_uid: str
    sent_as: int
    state: State | None
    result: str
    priority: Priority = Priority.ROUTINE
    settled: bool = True
    read_as: int | None = None
    seconds: float | None = None

    @property
    def reported(self) -> bool:
        """Whether a result stands in the PACS."""
        return self.settled and self.state in (State.REPORTED, State.DELIVERED)

    @property
    def out_of_scope(self) -> bool:
        """Whether the image was, for a reason that is told, not analysed."""
        return self.settled and self.state is State.OUT_OF_SCOPE


@dataclass(frozen=True)
class Totals:
    """The last line of a demonstration."""

    sent: int
    acknowledged: int
    reported: int
    out_of_scope: int

    @property
    def failed(self) -> int:
        """Images that did not come back."""
        return self.sent - self.reported - self.out_of_scope

    def __str__(self) -> str:
        return (
            f"demo: {self.sent} sent, {self.acknowledged} acknowledged, {self.reported} reported,"
            f" {self.out_of_scope} out of scope, {self.failed} failed"
        )


def outcomes(ledger: Ledger, forwarded: Sequence[Forwarded], held: Sequence[Held]) -> list[ImageOutcome]:
    """Return what has become of each image so far."""
    arrivals: dict[str, datetime] = {}
    for item in held:
        uid = str(item.dataset.StudyInstanceUID)
        arrivals[uid] = max(item.arrived_at, arrivals.get(uid, item.arrived_at))
    order = ledger.reading_list.page(len(forwarded)).studies
    places = {study.study_instance_uid: place for place, study in enumerate(order, start=1)}
    return [_outcome(ledger, number, item, places, arrivals) for number, item in enumerate(forwarded, start=1)]


def totals(forwarded: Sequence[Forwarded], images: Sequence[ImageOutcome]) -> Totals:
    """Return the sums."""
    return Totals(
        sent=len(forwarded),
        acknowledged=sum(item.acknowledged for item in forwarded),
        reported=sum(image.reported for image in images),
        out_of_scope=sum(image.out_of_scope for image in images),
    )


def _outcome(
    ledger: Ledger, sent_as: int, item: Forwarded, places: Mapping[str, int], arrivals: Mapping[str, datetime]
) -> ImageOutcome:
    study_uid = str(item.dataset.StudyInstanceUID)
    history = ledger.inspection.history(study_uid) if item.acknowledged else None
    if history is None:
        status = "no answer" if item.status is None else f"status 0x{item.status:04X}"
        return ImageOutcome(study_uid, sent_as, None, f"refused: {status}")
    uid = str(item.dataset.SOPInstanceUID)
    view = max((v for v in history.versions if v.sop_instance_uid == uid), key=lambda v: v.version)
    row = row_of(_SAY, history.study, 1, item.answered_at)
    deliveries = [delivery for report in history.reports for delivery in report.deliveries]
    under_way = any(delivery.state not in _SETTLED for delivery in deliveries)
    arrived = arrivals.get(study_uid)
    return ImageOutcome(
        study_instance_uid=study_uid,
        sent_as=sent_as,
        state=view.state,
        result=row.answer.sentence,
        priority=row.priority,
        read_as=places.get(study_uid),
        settled=view.state in _FINAL and not under_way and not view.reports_due,
        seconds=(arrived - item.answered_at).total_seconds() if arrived else None,
    )
