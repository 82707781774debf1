"""Kill -9 at each step of an image's way: what was acknowledged is reported, once.

A step is a function of the product; what the process leaves behind proves that it died there.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from pydicom import Dataset

from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.journeys.conftest import SharedGateway
from tests.journeys.faulty import Moment, Trap
from tests.journeys.gateway import Gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import wait_until

Step = tuple[str, Moment, int]

RECEIVING: list[Step] = [
    ("service.objects.local:LocalIncoming.keep", "before", 1),
    ("service.objects.local:LocalIncoming.keep", "after", 1),
    ("service.ledger.admission:Admission.register", "before", 1),
    ("service.ledger.admission:Admission.register", "after", 1),
    ("service.operations.wake:LocalWaker.wake", "after", 1),
]
INFERRING: list[Step] = [
    ("service.ledger.analysis:Analysis.claim", "after", 1),
    ("worker.preparation:Preparation.prepare", "after", 1),
    ("models.predictor:Predictor.predict", "before", 1),
    ("models.predictor:Predictor.predict", "after", 1),
    ("service.ledger.results:Results.save_prediction", "before", 1),
    ("service.ledger.results:Results.save_prediction", "after", 1),
]
DELIVERING: list[Step] = [
    ("service.ledger.reporting:Reporting.claim", "after", 1),
    ("service.objects.local:LocalStore.put", "after", 1),
    ("service.objects.local:LocalStore.put", "after", 3),
    ("service.ledger.reporting:Reporting.save", "before", 1),
    ("service.ledger.reporting:Reporting.save", "after", 1),
    ("service.ledger.outbox:Outbox.claim", "after", 1),
    ("service.dicom.scu:DestinationAssociation.store", "before", 2),
    ("service.dicom.scu:DestinationAssociation.store", "after", 2),
    ("service.ledger.outbox:Outbox.save_sent", "before", 1),
    ("service.ledger.outbox:Outbox.save_sent", "after", 1),
    ("service.dicom.scu:DestinationAssociation.holds", "after", 1),
    ("service.ledger.outbox:Outbox.save_confirmed", "before", 1),
    ("service.ledger.outbox:Outbox.save_confirmed", "after", 1),
]
#: Steps at which a text report of a whole study is built and not saved, or sent and not recorded.
REVISING: list[Step] = [
    ("service.ledger.reporting:Reporting.save", "before", 1),
    ("service.ledger.outbox:Outbox.save_sent", "before", 1),
]
#: Steps between the destination's first answer and the record of it: only there may objects go out a second time, and
#: of one image alone (ADR 0025).
SENT_TWICE = {
    ("service.dicom.scu:DestinationAssociation.store", "before"),
    ("service.dicom.scu:DestinationAssociation.store", "after"),
    ("service.ledger.outbox:Outbox.save_sent", "before"),
}


def numbered(steps: list[Step], seed: int) -> list[ParameterSet]:
    """Return steps as parameters, each with a seed of its own."""
    return [
        pytest.param(seed + index, step, id=f"{step[1]} {step[0].rpartition(':')[2]} {step[2]}")
        for index, step in enumerate(steps)
    ]


@dataclass(frozen=True)
class Scene:
    """A gateway whose parts can be made to die, and the archive behind it."""

    gateway: Gateway
    pacs: CountingPacs
    traps: dict[str, Trap]

    def set(self, part: str, step: Step) -> None:
        """Let a part die at a step."""
        self.traps[part].set(*step)

    def revive(self, part: str, step: Step) -> None:
        """Wait until a part is dead, make sure that it died at the step, and start it again."""
        process = self.gateway.processes[part]
        wait_until(lambda: process.poll() is not None, f"{part} dies at {step}", 30)
        assert process.returncode == -signal.SIGKILL
        assert self.traps[part].sprung().split() == [*map(str, step), str(process.pid)]
        self.gateway.restart(part, self.traps[part])


@pytest.fixture(scope="module")
def scene(shared_gateway: SharedGateway, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Give the shared gateway with a trap in each of its parts."""
    steps = {"listen": RECEIVING, "work infer": INFERRING, "work deliver": DELIVERING}
    traps = {
        part: Trap(tmp_path_factory.mktemp("trap"), tuple(dict.fromkeys(function for function, _, _ in listed)))
        for part, listed in steps.items()
    }
    for part, trap in traps.items():
        shared_gateway.gateway.restart(part, trap)
    shared_gateway.gateway.wait_until_listening()
    return Scene(shared_gateway.gateway, shared_gateway.pacs, traps)


def assert_one_set_of_reports(scene: Scene, source: Dataset, *, sent_twice: bool = False) -> None:
    """The archive holds one set of reports, in the ledger's own bytes however often they were sent."""
    scene.gateway.wait_until_settled()
    assert [row.state for row in scene.gateway.versions(source)] == [State.DELIVERED]
    assert len(scene.gateway.predictions(source)) == 1
    held = [str(report.SOPInstanceUID) for report in scene.pacs.of(source)]
    assert sorted(held) == sorted(row.sop_instance_uid for row in scene.gateway.reports(source))
    assert sorted(report.Modality for report in scene.pacs.of(source)) == ["OT", "SR", "SR"]
    assert [row.state for row in scene.gateway.deliveries(source)] == ["confirmed"] * 3
    times = [len(scene.pacs.digests[uid]) for uid in held]
    assert all(len(set(scene.pacs.digests[uid])) == 1 for uid in held)
    assert sum(times) in (range(4, 7) if sent_twice else [3])


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
@pytest.mark.parametrize(("seed", "step"), numbered(RECEIVING, 400))
def test_a_listener_killed_at_any_step_leaves_an_image_that_the_sender_can_send_again(
    scene: Scene, seed: int, step: Step
) -> None:
    gateway, source = scene.gateway, chest(seed)
    scene.set("listen", step)
    assert gateway.send(source) is None  # nobody took responsibility
    scene.revive("listen", step)
    gateway.wait_until_listening()
    assert gateway.send(source) == 0x0000
    assert_one_set_of_reports(scene, source)


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
@pytest.mark.parametrize(("seed", "step"), numbered(INFERRING, 420))
def test_an_inference_worker_killed_at_any_step_loses_no_image(scene: Scene, seed: int, step: Step) -> None:
    source = chest(seed)
    scene.set("work infer", step)
    assert scene.gateway.send(source) == 0x0000
    scene.revive("work infer", step)
    assert_one_set_of_reports(scene, source)


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
@pytest.mark.parametrize(("seed", "step"), numbered(DELIVERING, 440))
def test_a_delivery_worker_killed_at_any_step_leaves_one_set_of_reports(scene: Scene, seed: int, step: Step) -> None:
    source = chest(seed)
    scene.set("work deliver", step)
    assert scene.gateway.send(source) == 0x0000
    scene.revive("work deliver", step)
    assert_one_set_of_reports(scene, source, sent_twice=step[:2] in SENT_TWICE)


def test_an_acknowledged_image_survives_a_listener_killed_right_after_it(scene: Scene) -> None:
    gateway, source = scene.gateway, chest(460)
    assert gateway.send(source) == 0x0000
    gateway.restart("listen", scene.traps["listen"])
    assert_one_set_of_reports(scene, source)
    gateway.wait_until_listening()


@pytest.fixture(scope="module")
def one_text_report(scene: Scene) -> Iterator[None]:
    """Let the archive receive one text report a study, from the first test on that asks for it: these are the last."""
    gateway = scene.gateway
    settings = Path(gateway.environment["AUSCULT_CONFIG"])
    other = settings.with_name("study.toml")
    table = "[[destinations]]"
    other.write_text(settings.read_text().replace(table, f'{table}\nreports = ["study_text_sr"]'))
    for path in (other, settings):
        gateway.environment["AUSCULT_CONFIG"] = str(path)
        gateway.restart("work deliver", scene.traps["work deliver"])
        if path is other:
            yield


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
@pytest.mark.parametrize(("seed", "step"), numbered(REVISING, 470))
@pytest.mark.usefixtures("one_text_report")
def test_a_delivery_worker_killed_at_any_step_leaves_one_latest_text_report_of_a_study(
    scene: Scene, seed: int, step: Step
) -> None:
    study = f"1.2.3.{seed}"
    first, second = (chest(number, study_instance_uid=study) for number in (seed, seed + 10))
    assert scene.gateway.send(first) == 0x0000
    scene.gateway.wait_until_settled()
    scene.set("work deliver", step)
    assert scene.gateway.send(second) == 0x0000
    scene.revive("work deliver", step)
    scene.gateway.wait_until_settled()
    assert [scene.gateway.versions(image)[0].state for image in (first, second)] == [State.DELIVERED] * 2
    one, latest = scene.pacs.objects(study)
    [named] = latest.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert {image.SOPInstanceUID for image in (first, second)} == {
        item.ReferencedSOPInstanceUID
        for series in latest.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert len(set(scene.pacs.digests[str(latest.SOPInstanceUID)])) == 1
