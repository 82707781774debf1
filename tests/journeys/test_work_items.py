"""Kill -9 around a completion: what was acknowledged as read is read, and what was not can be completed again."""

import signal
from pathlib import Path

import pytest

from service.vocabulary.work_items import WorkItemStatus
from tests.invariants import Invariant
from tests.journeys.faulty import Moment, Trap
from tests.journeys.gateway import gateway
from tests.phantoms import chest
from tests.servers import wait_until
from tests.service.dicom.workstation import workstation

CHANGE = "service.ledger.work_items:WorkItems.change"
KEY = "1.2.3.4"


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
def test_a_completion_is_never_lost_wherever_the_listener_dies(tmp_path: Path) -> None:
    trap = Trap(tmp_path, (CHANGE,))
    folder = tmp_path / "gateway"
    folder.mkdir()
    answers: dict[Moment, int] = {}
    with gateway(folder, parts=(), work_items={"ae_titles": ["WS1"]}) as running:
        running.start("listen", trap)
        running.wait_until_listening()
        for moment in ("before", "after"):
            assert running.send(chest(7 if moment == "before" else 8)) == 0x0000
            with workstation(running.port) as ours:
                uid = str(ours.find()[0].SOPInstanceUID)
                assert ours.change(uid, "IN PROGRESS", KEY) == 0x0000
                trap.set(CHANGE, moment, 1)
                with pytest.raises(AttributeError, match="Status"):  # nobody answered
                    ours.change(uid, "COMPLETED", KEY)
            process = running.processes["listen"]
            wait_until(lambda process=process: process.poll() is not None, "the listener dies")  # type: ignore[misc]
            assert process.returncode == -signal.SIGKILL
            running.restart("listen", trap)
            running.wait_until_listening()
            with workstation(running.port) as ours:
                answers[moment] = ours.change(uid, "COMPLETED", KEY)
                assert ours.find() == []
        assert answers == {"before": WorkItemStatus.SUCCESS, "after": WorkItemStatus.ALREADY_COMPLETED}
        assert [event.event for event in running.events()].count("study read") == 2
