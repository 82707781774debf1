"""UPS: the reading of an order as a work item at the owner of a worklist, by DIMSE or over HTTP.

It is created with the first result, changed with the next, and completed or canceled when the study is read. Source:
PS3.4 Annex CC.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pydicom import Dataset

from service.dicom.work_items.content import PRIORITIES, Labels, Reading, created, finished
from service.dicom.work_items.pushing import PushingAssociation
from service.ledger import DueMessage
from service.ledger.views import StudyHistory
from service.settings import Settings
from service.settings.receivers import UpsRsSettings, UpsSettings, WorklistOwnerSettings
from service.texts import texts_in
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.facts import MessageEvent
from service.vocabulary.identity import Identity
from service.vocabulary.uids import derive_uid
from service.vocabulary.work_items import WorkItemState, WorkItemStatus
from worker.channels.told import Image, Status, images_left, images_told
from worker.channels.ups_rs import UpsRsConnection
from worker.channels.words import result_sentence, withdrawal_sentence

#: Answers after which there is nothing to be done: it ended, somebody else performs it, or it never was.
_LEFT_ALONE = {
    WorkItemStatus.MAY_NO_LONGER_BE_UPDATED: "it has ended",
    WorkItemStatus.ALREADY_CANCELED: "it is canceled",
    WorkItemStatus.ALREADY_COMPLETED: "it is completed",
    WorkItemStatus.COMPLETED_CANNOT_BE_CANCELED: "it is completed",
    WorkItemStatus.WRONG_TRANSACTION_UID: "somebody performs it",
    WorkItemStatus.NOT_IN_PROGRESS: "it cannot be changed",
    WorkItemStatus.NO_SUCH_WORK_ITEM: "there is none",
    WorkItemStatus.NO_SUCH_INSTANCE: "there is none",
}
#: Answers that pass: the owner cannot do it now.
_TRANSIENT = frozenset({0x0110, 0x0213, 0xA700})
#: What a further result changes of a work item that nobody has claimed.
_CHANGED = ("ScheduledProcedureStepPriority", "CommentsOnTheScheduledProcedureStep", "InputInformationSequence")


class WorklistOwner(Protocol):
    """The wire to an owner; each method returns the status of the answer."""

    def create(self, uid: str, dataset: Dataset) -> int:
        """Create a work item."""

    def update(self, uid: str, dataset: Dataset) -> int:
        """Change what a work item says."""

    def change(self, uid: str, state: WorkItemState, key: str) -> int:
        """Change a work item's state."""

    def request_cancel(self, uid: str, dataset: Dataset) -> int:
        """Request that a work item be canceled."""

    def close(self) -> None:
        """Let go of a connection that is kept."""


class UpsChannel:
    """Tells one owner of a worklist; used by one thread."""

    def __init__(self, settings: Settings, receiver: WorklistOwnerSettings, owner: WorklistOwner) -> None:
        self._receiver = receiver
        self._owner = owner
        self._say = texts_in(receiver.language or settings.report.language)
        self._labels = Labels(receiver.worklist_label, receiver.step_label, receiver.retrieve_ae_title)

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return what is to be done at the owner, step by step, or None when the event changes nothing there."""
        uid = self._uid(message.instance.identity, message, study)
        steps: list[dict[str, Any]] = []
        match message.event:
            case MessageEvent.RESULT:
                images = images_told(message, study, self._receiver.name)
                reading = study.study.reading
                if images and (reading is None or reading.at >= message.occurred_at):
                    steps = [_step("create", uid, self._reading(message, study, images))]
            case MessageEvent.RESULT_SUPERSEDED:
                images = images_left(message, study, self._receiver.name)
                if images and all(image.status is Status.WITHDRAWN for image in images):
                    steps = [_step("cancel", uid, _reason(withdrawal_sentence(self._say, message)))]
                elif images:
                    steps = [_step("update", uid, self._reading(message, study, images))]
            case MessageEvent.PRIORITY_RAISED:
                priority = Dataset()
                priority.ScheduledProcedureStepPriority = PRIORITIES[message.priority]
                steps = [_step("update", one, priority) for one in self._uids(message, study)]
            case MessageEvent.STUDY_READ:
                how = self._receiver.when_read
                said = _reason(self._say.of(MessageEvent.STUDY_READ)) if how == "cancel" else Dataset()
                if how == "complete":
                    said = finished(message.occurred_at)
                steps = [_step(how, one, said) for one in self._uids(message, study)]
        return json.dumps(steps, ensure_ascii=False).encode() if steps else None

    def send(self, message: DueMessage, payload: bytes) -> str:
        """Do what is to be done; return what came of it. The same again changes nothing.

        Raises
        ------
        TransientDeliveryFailure
            When the owner is away, or cannot do it now.
        PermanentDeliveryFailure
            When it refuses what it would refuse again.
        """
        return "; ".join(dict.fromkeys(self._do(step) for step in json.loads(payload)))

    def close(self) -> None:
        """Let go of the connection."""
        self._owner.close()

    def _do(self, step: dict[str, Any]) -> str:
        uid, dataset = step["uid"], Dataset.from_json(step["dataset"])
        match step["do"]:
            case "create":
                status = self._owner.create(uid, dataset)
                if status != WorkItemStatus.DUPLICATE:
                    return _taken("created", status)
                return _taken("updated", self._owner.update(uid, _changed(dataset)))
            case "update":
                return _taken("updated", self._owner.update(uid, _changed(dataset)))
            case "cancel":
                return _taken("cancellation requested", self._owner.request_cancel(uid, dataset))
        return self._complete(uid, dataset)

    def _complete(self, uid: str, dataset: Dataset) -> str:
        """Claim, say what was done, complete; whoever dies in between goes on with the same key."""
        key = derive_uid("claim", uid)
        status = self._owner.change(uid, WorkItemState.IN_PROGRESS, key)
        if status not in (WorkItemStatus.SUCCESS, WorkItemStatus.ALREADY_IN_PROGRESS):
            return _taken("", status)
        dataset.TransactionUID = key
        status = self._owner.update(uid, dataset)
        if _is_failure(status):
            return _taken("", status)
        return _taken("completed", self._owner.change(uid, WorkItemState.COMPLETED, key))

    def _reading(self, message: DueMessage, study: StudyHistory, images: Sequence[Image]) -> Dataset:
        standing = [image for image in images if image.status is not Status.WITHDRAWN]
        lines = [f"AI: {result_sentence(self._say, image.view)}" for image in standing]
        comments = "\r\n".join([*lines, self._say("report.status"), self._say("report.disclaimer")])
        identity, arrived = message.instance.identity, study.study.first_received_at
        views = [image.view for image in sorted(standing, key=lambda image: image.number)]
        return created(Reading(identity, views, message.priority, arrived, self._labels, comments=comments))

    def _uids(self, message: DueMessage, study: StudyHistory) -> Iterator[str]:
        """Yield the UID of the work item of each order of a study that the owner was told of."""
        told = {
            (item.sop_instance_uid, item.version)
            for item in study.messages
            if item.destination == self._receiver.name and item.event is MessageEvent.RESULT
        }
        identities = [view.identity for view in study.versions if (view.sop_instance_uid, view.version) in told]
        yield from dict.fromkeys(self._uid(identity, message, study) for identity in identities)

    def _uid(self, identity: Identity, message: DueMessage, study: StudyHistory) -> str:
        """Return the UID of an order's work item: another one for a study that is read once more."""
        readings = sum(
            item.event is MessageEvent.STUDY_READ and item.occurred_at < message.occurred_at
            for item in study.messages
            if item.destination == self._receiver.name
        )
        order = (identity.study_instance_uid, identity.accession_number, identity.patient_id)
        return derive_uid("pushed work item", *order, identity.issuer_of_patient_id, str(readings))


def ups_channel(settings: Settings, receiver: UpsSettings) -> UpsChannel:
    """Return the channel to an owner by DIMSE."""
    return UpsChannel(settings, receiver, PushingAssociation(receiver, settings.calling_ae_title(receiver)))


def ups_rs_channel(settings: Settings, receiver: UpsRsSettings) -> UpsChannel:
    """Return the channel to an owner over HTTP."""
    return UpsChannel(settings, receiver, UpsRsConnection(receiver))


def _step(do: str, uid: str, dataset: Dataset) -> dict[str, Any]:
    return {"do": do, "uid": uid, "dataset": dataset.to_json_dict()}


def _reason(words: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.ReasonForCancellation = "ISO_IR 192", words
    return dataset


def _changed(dataset: Dataset) -> Dataset:
    changed = Dataset()
    for keyword in ("SpecificCharacterSet", *_CHANGED):
        if keyword in dataset:
            changed[keyword] = dataset[keyword]
    return changed


def _is_failure(status: int) -> bool:
    return status != WorkItemStatus.SUCCESS and not _is_warning(status)


def _is_warning(status: int) -> bool:
    # PS3.7 Annex C; those of PS3.4 Annex CC that tell of a state are in the table above.
    return status in (0x0001, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF


def _taken(done: str, status: int) -> str:
    """Return what came of a step.

    Raises
    ------
    TransientDeliveryFailure, PermanentDeliveryFailure
        When it is not done.
    """
    if status in _LEFT_ALONE:
        return f"left alone, for {_LEFT_ALONE[WorkItemStatus(status)]} (0x{status:04X})"
    if not _is_failure(status):
        return f"{done} (0x{status:04X})"
    why = f"the owner of the worklist answered 0x{status:04X}"
    failure = TransientDeliveryFailure if status in _TRANSIENT else PermanentDeliveryFailure
    raise failure(why, status=status)
