"""The data sets of storage commitment: what is asked, and what is answered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import generate_uid

from service.dicom.identity import is_valid_uid
from service.vocabulary.commitment import FailureReason, Reference

#: The well-known SOP instance that every request and answer is about (PS3.4 section J.3.5).
WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"

#: Action Type ID of the request (PS3.4 Table J.3-1).
REQUEST = 1
#: Event Type IDs of the answer (PS3.4 Table J.3-2).
ALL_HELD, FAILURES_EXIST = 1, 2


#: Most instances of one request: far more than a study of radiographs has, and few enough to look up in a moment.
MOST_REFERENCES = 2_000


class TooLarge(ValueError):
    """A request asks for more than we look up at once."""


class InvalidMessage(ValueError):
    """A data set breaks the rules of storage commitment; its text never quotes what the peer sent."""


@dataclass(frozen=True)
class CommitmentResult:
    """What a storage commitment SCP says of a transaction: what it holds, and why not of the rest.

    Attributes
    ----------
    held
        SOP Instance UIDs.
    failed
        Failure Reason (0008,1197) by SOP Instance UID.
    """

    transaction_uid: str
    held: frozenset[str]
    failed: Mapping[str, int]


def new_transaction_uid() -> str:
    """Return a Transaction UID that nobody can guess: whoever names it answers for the destination."""
    return str(generate_uid(prefix=None))


def request(transaction_uid: str, references: Iterable[Reference]) -> Dataset:
    """Return the Action Information of a request (PS3.4 Table J.3-1)."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    dataset.ReferencedSOPSequence = [_item(reference) for reference in references]
    return dataset


def parse_request(dataset: Dataset) -> tuple[str, list[Reference]]:
    """Return the Transaction UID and the references of a request.

    Raises
    ------
    InvalidMessage
        When one of them is absent or not valid.
    TooLarge
        When there are too many references.
    """
    items = dataset.get("ReferencedSOPSequence") or []
    if len(items) > MOST_REFERENCES:
        raise TooLarge(f"it refers to more than {MOST_REFERENCES} instances")
    references = [_reference(item) for item in items]
    if not references:
        raise InvalidMessage("it refers to no instance")
    return _transaction_uid(dataset), references


def answer(
    transaction_uid: str, held: Sequence[Reference], failed: Sequence[tuple[Reference, FailureReason]]
) -> tuple[int, Dataset]:
    """Return the Event Type ID and the Event Information of an answer (PS3.4 Table J.3-2)."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    if held:
        dataset.ReferencedSOPSequence = [_item(reference) for reference in held]
    if failed:
        dataset.FailedSOPSequence = [_item(reference) for reference, _ in failed]
        for item, (_, reason) in zip(dataset.FailedSOPSequence, failed, strict=True):
            item.FailureReason = int(reason)
    return (FAILURES_EXIST if failed else ALL_HELD), dataset


def parse_answer(dataset: Dataset) -> CommitmentResult:
    """Return what an answer says; an instance that is both held and failed counts as failed.

    Raises
    ------
    InvalidMessage
        When the Transaction UID or a reference is absent or not valid.
    """
    failed = {
        _reference(item).sop_instance_uid: int(item.get("FailureReason") or FailureReason.PROCESSING_FAILURE)
        for item in dataset.get("FailedSOPSequence") or []
    }
    held = {_reference(item).sop_instance_uid for item in dataset.get("ReferencedSOPSequence") or []}
    return CommitmentResult(_transaction_uid(dataset), frozenset(held - set(failed)), failed)


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item


def _reference(item: Dataset) -> Reference:
    reference = Reference(str(item.get("ReferencedSOPClassUID", "")), str(item.get("ReferencedSOPInstanceUID", "")))
    if not (is_valid_uid(reference.sop_class_uid) and is_valid_uid(reference.sop_instance_uid)):
        raise InvalidMessage("a reference lacks a valid SOP Class UID or SOP Instance UID")
    return reference


def _transaction_uid(dataset: Dataset) -> str:
    uid = str(dataset.get("TransactionUID", ""))
    if not is_valid_uid(uid):
        raise InvalidMessage("its Transaction UID is absent or not a valid UID")
    return uid
