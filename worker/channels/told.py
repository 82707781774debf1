"""What stands of a study for one receiver: the images that it is told of, and what becomes of what it knew.

A receiver that keeps one text for each study would lose what an earlier message said of another image, so every message
of a result tells all that stands.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from service.ledger import DueMessage
from service.ledger.message_views import MessageView
from service.ledger.views import InstanceView, StudyHistory
from service.vocabulary.facts import MessageEvent
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from service.vocabulary.states import DeliveryState, State

#: The gravest first.
_ORDER = (Outcome.POSITIVE, Outcome.INDETERMINATE, Outcome.NOT_ANALYSED, Outcome.NEGATIVE)
#: Whether one text of a receiver is about two images.
IsSame = Callable[[Identity, Identity], bool]
_REPLACED = (State.SUPERSEDED, State.DUPLICATE)
_SAYS_NOTHING = (*_REPLACED, State.OWN)
_OF_A_STUDY = (MessageEvent.PRIORITY_RAISED, MessageEvent.STUDY_READ)


class Status(Enum):
    """What a message does to what was told of an image before."""

    NEW = auto()
    CORRECTED = auto()
    """The receiver may have been told otherwise, under the same patient, study and accession number."""
    WITHDRAWN = auto()
    """What was told does not hold, and another patient, study or order may get it."""


@dataclass(frozen=True)
class Image:
    """An image of a study as it is told: its number there, which never changes, and its status."""

    number: int
    view: InstanceView
    status: Status

    @property
    def outcome(self) -> Outcome:
        """What is said of it."""
        return self.view.result.outcome if self.view.result is not None else Outcome.NOT_ANALYSED


def as_it_stands(message: DueMessage, study: StudyHistory) -> DueMessage | None:
    """Return a message with the identity that stands; None where nothing of its study stands any more.

    What is told of a study, not of an image, names whose it is by one of its images. Where another version took that
    one's place its patient may have been corrected, and an object of ours says nothing of the patient.
    """
    if message.event not in _OF_A_STUDY:
        return message
    own = next(view for view in study.versions if view.id == message.instance.id)
    if own.state not in _SAYS_NOTHING:
        return message
    standing = sorted(study.study.instances, key=lambda view: view.sop_instance_uid != own.sop_instance_uid)
    return replace(message, instance=standing[0]) if standing else None


def _numbers(study: StudyHistory) -> dict[str, int]:
    """Return the number of each image of a study: their order of arrival, as if those in shadow had not come."""
    seen = [view for view in study.versions if view.state is not State.OWN and not view.in_shadow]
    uids = dict.fromkeys(view.sop_instance_uid for view in seen)
    return {uid: number for number, uid in enumerate(uids, 1)}


def is_same_order(one: Identity, other: Identity) -> bool:
    """Return whether two images are of one order: of one patient, study and accession number."""
    order, others = ((each.study_instance_uid, each.accession_number) for each in (one, other))
    return order == others and one.same_patient(other)


def _results(study: StudyHistory, receiver: str) -> list[MessageView]:
    """Return the messages of a result of a study to a receiver."""
    return [item for item in study.messages if item.destination == receiver and item.event is MessageEvent.RESULT]


def images_told(
    message: DueMessage, study: StudyHistory, receiver: str, is_same: IsSame = is_same_order
) -> list[Image]:
    """Return the images of an order that a receiver is told of and that stand, the gravest first.

    Parameters
    ----------
    is_same
        Which images one text of the receiver is about.
    """
    told = _results(study, receiver)
    known = {(item.sop_instance_uid, item.version) for item in told}
    tried = {(item.sop_instance_uid, item.version) for item in told if item.attempts}
    # A later version that is still to be analysed, or turns out to be a duplicate, takes no result back.
    standing = {
        view.sop_instance_uid: view
        for view in study.versions
        if (view.sop_instance_uid, view.version) in known and view.state not in _REPLACED
    }
    numbers, images = _numbers(study), []
    for view in standing.values():
        if not is_same(view.identity, message.instance.identity):
            continue  # a message names one patient and one order
        corrects = any(
            (earlier.sop_instance_uid, earlier.version) in tried and is_same(earlier.identity, view.identity)
            for earlier in study.versions
            if earlier.sop_instance_uid == view.sop_instance_uid and earlier.version < view.version
        )
        status = Status.CORRECTED if corrects else Status.NEW
        images.append(Image(numbers[view.sop_instance_uid], view, status))
    return sorted(images, key=lambda image: (_ORDER.index(image.outcome), image.number))


def images_left(
    message: DueMessage, study: StudyHistory, receiver: str, is_same: IsSame = is_same_order
) -> list[Image]:
    """Return what a receiver that keeps one text for each order is told where a result is taken back.

    That is what still stands of the order and, last, the image whose result is taken back; nothing where a later
    version corrects it.
    """
    withdrawn = image_withdrawn(message, study, receiver, is_same)
    return [*images_told(message, study, receiver, is_same), withdrawn] if withdrawn is not None else []


def image_withdrawn(
    message: DueMessage, study: StudyHistory, receiver: str, is_same: IsSame = is_same_order
) -> Image | None:
    """Return the image whose result is taken back; None where a later version corrects it, or none was told.

    That is one of the same patient and order whose result this receiver is told: it comes next. It may not be, for a
    receiver chooses of which images that are not analysed it is told. What was told may be of an earlier version that
    this one was to correct, and did not.
    """
    old = message.instance
    results = _results(study, receiver)
    tried = {(item.sop_instance_uid, item.version) for item in results if item.attempts}
    comes = {(item.sop_instance_uid, item.version) for item in results if item.state is not DeliveryState.WITHDRAWN}
    alike = [
        (view.version, (view.sop_instance_uid, view.version))
        for view in study.versions
        if view.sop_instance_uid == old.sop_instance_uid and is_same(old.identity, view.identity)
    ]
    is_corrected = any(version > old.version and key in comes for version, key in alike)
    was_told = not results or any(version <= old.version and key in tried for version, key in alike)
    if is_corrected or not was_told:
        return None
    return Image(_numbers(study)[old.sop_instance_uid], old, Status.WITHDRAWN)
