"""Storage commitment with Orthanc, both ways, in one process; tests/journeys has the same with all of auscult's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.dicom.commitment.listening import CommitmentService
from service.intake import Intake
from service.operations.wake import Task
from service.scp import Listener
from service.vocabulary.commitment import FailureReason
from service.vocabulary.states import DeliveryState
from tests import servers
from tests.phantoms import chest
from tests.servers import free_port, wait_until
from tests.worker.conftest import Gateway, destination
from worker.commitment_answers import CommitmentAnswers


def test_orthanc_commits_to_the_reports_and_is_told_what_is_held(
    gateway: Any, orthanc: Callable[..., servers.Orthanc]
) -> None:
    port = free_port()
    archive = orthanc(modalities={"auscult": ("AUSCULT", port)})
    made: Gateway = gateway(
        destination(archive.dicom_port, ae_title="ORTHANC", confirm="commitment"),
        peers=[{"ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}],
        listener={"port": port, "minimum_free_bytes": 0, "commitment_patience": 5.0},
    )
    held, absent = chest(seed=1), chest(seed=2)
    made.receive(held)
    assert (made.infer(), made.build()) == (1, 1)
    intake = Intake(made.settings, made.store, made.ledger.admission, made.waker)
    service = CommitmentService(made.settings, made.ledger, made.store, made.waker, "listener-1")
    with Listener(made.settings.listener, intake, service, made.trail):
        courier = made.courier()
        assert courier.step() == 3
        made.clock.turn(seconds=1)
        courier.step()
        wait_until(
            lambda: [row.state for row in made.deliveries] == [DeliveryState.CONFIRMED] * 3, "Orthanc commits to all"
        )
        courier.close()
        wanted = [
            {"SOPClassUID": str(image.SOPClassUID), "SOPInstanceUID": str(image.SOPInstanceUID)}
            for image in (held, absent)
        ]
        made.waker.woken.clear()
        asked = archive.rest("modalities/auscult/storage-commitment", {"DicomInstances": wanted, "Timeout": 10})
        wait_until(lambda: Task.DELIVER in made.waker.woken, "Orthanc has hung up")
        (peer,) = made.settings.peers
        assert CommitmentAnswers(made.settings, peer, made.ledger, made.store, "answers-1", made.clock).step() == 1
        outcome = archive.rest(f"storage-commitment/{asked['ID']}")
    assert outcome["Status"] == "Failure"
    assert [item["SOPInstanceUID"] for item in outcome["Success"]] == [held.SOPInstanceUID]
    (failure,) = outcome["Failures"]
    assert (failure["SOPInstanceUID"], failure["FailureReason"]) == (
        absent.SOPInstanceUID,
        FailureReason.NO_SUCH_INSTANCE,
    )
