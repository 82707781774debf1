"""Peers that misbehave on purpose, and a clock that tests turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from service.dicom.latency import without_delay
from service.operations.wake import Task
from service.security.passwords import PasswordHash, User
from service.vocabulary.report_kinds import REPORT_SOP_CLASSES
from service.vocabulary.roles import Role


@dataclass
class TurnedClock:
    """A clock that stands still until it is turned."""

    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **parts: float) -> None:
        """Go forward by a `timedelta` of these parts."""
        self.now += timedelta(**parts)


@dataclass
class CountingWaker:
    """Counts wake-ups instead of waking anybody."""

    woken: list[Task] = field(default_factory=list)

    def wake(self, task: Task) -> None:
        self.woken.append(task)


@dataclass
class ScriptedPacs:
    """A PACS whose C-STORE answers follow a script; after its end every answer is success.

    `finds_asked` counts its C-FINDs, `holds` decides what they admit to, and `find_failure` makes them fail with that
    status. `commitments` are the requests for storage commitment that it took, each with the association it came on.
    """

    port: int
    script: list[int]
    received: list[Dataset]
    holds: bool = True
    find_failure: int = 0x0000
    finds_asked: int = 0
    commitments: list[tuple[Association, Dataset]] = field(default_factory=list)

    def uids(self) -> list[str]:
        return [str(dataset.SOPInstanceUID) for dataset in self.received]


@contextmanager
def scripted_pacs(
    statuses: Iterable[int] = (),
    *,
    sop_classes: Iterable[str] = REPORT_SOP_CLASSES,
    finds: bool = True,
    commits: bool = False,
    action_status: int = 0x0000,
    port: int = 0,
) -> Iterator[ScriptedPacs]:
    """Start a scripted PACS on 127.0.0.1."""
    pacs = ScriptedPacs(0, list(statuses), [])
    lock = threading.Lock()

    def store(event: evt.Event) -> int:
        with lock:
            status = pacs.script.pop(0) if pacs.script else 0x0000
            if status == 0x0000 or status & 0xF000 == 0xB000:
                pacs.received.append(event.dataset)
            return status

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        pacs.finds_asked += 1
        uid = str(event.identifier.SOPInstanceUID)
        if pacs.find_failure:
            yield pacs.find_failure, None
        elif pacs.holds and uid in pacs.uids():
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = uid
            yield 0xFF00, answer

    def action(event: evt.Event) -> tuple[int, None]:
        if action_status == 0x0000:
            pacs.commitments.append((event.assoc, event.action_information))
        return action_status, None

    ae = AE(ae_title="SCRIPTED")
    ae.add_supported_context(Verification)
    if commits:
        ae.add_supported_context(StorageCommitmentPushModel)
    for sop_class in sop_classes:
        ae.add_supported_context(sop_class)
    if finds:
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, without_delay), (evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find)]
    handlers.append((evt.EVT_N_ACTION, action))
    server = cast(ThreadedAssociationServer, ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers))
    pacs.port = int(server.server_address[1])
    try:
        yield pacs
    finally:
        server.shutdown()


def commitment_answer(request: Dataset, failed: Mapping[str, int] | None = None) -> tuple[int, Dataset]:
    """Return the Event Type ID and the Event Information that answer a request; what is not in `failed` is held."""
    failed = failed or {}
    items = list(request.ReferencedSOPSequence)
    information = Dataset()
    information.TransactionUID = request.TransactionUID
    information.ReferencedSOPSequence = [item for item in items if item.ReferencedSOPInstanceUID not in failed]
    information.FailedSOPSequence = [item for item in items if item.ReferencedSOPInstanceUID in failed]
    for item in information.FailedSOPSequence:
        item.FailureReason = failed[item.ReferencedSOPInstanceUID]
    return (2 if failed else 1), information


@dataclass
class Answers:
    """The answers to storage commitments that a peer of ours got, and what it answered them with."""

    port: int = 0
    status: int = 0x0000
    taken: list[tuple[int, Dataset]] = field(default_factory=list)

    def take(self, event: evt.Event) -> tuple[int, None]:
        """Take an answer; a handler for ``evt.EVT_N_EVENT_REPORT``."""
        if self.status == 0x0000:
            self.taken.append((cast(int, event.event_type), event.event_information))
        return self.status, None

    def reasons(self, index: int = -1) -> dict[str, int | None]:
        """Return the Failure Reason by SOP Instance UID; None for what is held."""
        _, information = self.taken[index]
        held = {item.ReferencedSOPInstanceUID: None for item in information.get("ReferencedSOPSequence", [])}
        failed = information.get("FailedSOPSequence", [])
        return held | {item.ReferencedSOPInstanceUID: int(item.FailureReason) for item in failed}


@contextmanager
def awaiting_answers(port: int = 0, sop_class: str = StorageCommitmentPushModel) -> Iterator[Answers]:
    """Listen for N-EVENT-REPORT on 127.0.0.1, as a modality or a workstation does: an SCU that is called back."""
    answers = Answers()
    ae = AE(ae_title="MODALITY")
    ae.add_supported_context(sop_class, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, without_delay), (evt.EVT_N_EVENT_REPORT, answers.take)]
    server = cast(ThreadedAssociationServer, ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers))
    answers.port = int(server.server_address[1])
    try:
        yield answers
    finally:
        server.shutdown()


def cheap_user(password: str, *roles: Role) -> User:
    """Return a user whose password's hash takes a test no time; a reader unless roles are named."""
    empty = PasswordHash(b"salt of the test", b"", log2_n=10, p=1)
    return User(replace(empty, digest=empty.computed(password.encode())), frozenset(roles or {Role.READER}))
