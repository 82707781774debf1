"""The whole loop: an order, its image, the result told, the reading claimed, completed and reported, with every process
killed once on the way. Nothing is lost, and nobody is told anything twice.

The RIS is node-hl7-client and node-hl7-server, the PACS is Orthanc, the workstation is dcmjs-dimse.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from service.ledger.message_records import MessageRecord
from service.ledger.records import StudyRecord
from service.vocabulary.facts import CloseSource, EventKind
from service.vocabulary.states import DeliveryState, Priority
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.phantoms import chest, encoded
from tests.servers import Orthanc, free_port, orthanc, wait_until
from tests.worker.channels.test_hl7 import node_receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
HL7, DIMSE = ROOT / "build" / "hl7", ROOT / "build" / "ups" / "node_modules"
PARTS = ("listen", "listen-hl7", "work infer", "work deliver", "sweep", "web")
ACCESSION, PATIENT, NAME = "ACC-4711", "P-4711", "Phantom^Synthetic"


@dataclass(frozen=True)
class Loop:
    """The site: our processes, and the systems around them."""

    ours: Gateway
    pacs: Orthanc
    hl7_port: int
    told: Path
    node: str

    def ask(self, script: str, *arguments: str) -> list[dict[str, Any]]:
        """Run a script of one of the systems to its end; return what it printed."""
        ran = subprocess.run(
            [self.node, str(ROOT / "tests" / script), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]

    def ris(self, what: str) -> None:
        """Let the RIS send a message; it is acknowledged."""
        answers = self.ask(
            "hl7_sender.cjs",
            str(HL7 / "node_modules"),
            str(self.hl7_port),
            PATIENT,
            "Phantom^Synthetic",
            ACCESSION,
            what,
        )
        assert [answer["code"] for answer in answers] == ["AA"]

    def workstation(self, *what: str) -> dict[str, Any]:
        """Let the workstation ask something; return its answer."""
        (answer,) = self.ask("ups_step.cjs", str(DIMSE), str(self.ours.port), *what)
        return answer

    def messages(self) -> list[dict[str, Any]]:
        """Return what the RIS was told."""
        return [json.loads(line) for line in self.told.read_text().splitlines() if '"text"' in line]

    def kill(self, part: str) -> None:
        """Kill a process and start it again."""
        self.ours.restart(part)
        if part == "listen":
            self.ours.wait_until_listening()


@pytest.fixture(scope="module")
def loop(program: Callable[[str], str], lack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    for folder in (HL7 / "node-hl7-server", DIMSE / "dcmjs-dimse"):
        if not folder.is_dir():
            lack(f"{folder} is absent; .ci/run unpacks it")
    program("Orthanc")
    folder = tmp_path_factory.mktemp("loop")
    for name in ("pacs", "ours", "ris"):
        (folder / name).mkdir()
    port, hl7_port, ris_port = free_port(), free_port(), free_port()
    receivers = [{"channel": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris_port, "priority_message": "OMI"}]
    with (
        node_receiver(folder / "ris", ris_port, "AA") as told,
        orthanc(folder / "pacs", modalities={"auscult": ("AUSCULT", port)}, callers=["AUSCULT"]) as pacs,
        gateway(
            folder / "ours",
            [destination(pacs.dicom_port, ae_title=pacs.ae_title)],
            parts=PARTS,
            port=port,
            hl7={"port": hl7_port},
            work_items={"ae_titles": ["WS_ROOM_3"]},
            receivers=receivers,
        ) as ours,
    ):
        yield Loop(ours, pacs, hl7_port, told, program("node"))


@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
def test_an_order_is_read_and_reported_though_each_process_dies_once(loop: Loop) -> None:
    ours, image = (
        loop.ours,
        chest(seed=471, patient_id=PATIENT, patient_name="Phantom^Synthetic", accession_number=ACCESSION),
    )

    loop.ris("order")
    loop.kill("listen-hl7")
    loop.pacs.send(loop.pacs.store(encoded(image)), "auscult")
    loop.kill("listen")
    loop.kill("work infer")
    wait_until(lambda: bool(ours.predictions(image)), "the network has answered", 60)
    loop.kill("work deliver")
    # Killed while it sends, it leaves a doubt that the next one waits out before it sends again.
    ours.wait_until_settled(150)
    (study,) = ours.ledger.reading_list.page(10).studies
    assert study.priority is Priority.STAT  # as the RIS ordered it
    wait_until(lambda: bool(results(loop)), "the RIS is told the result", 60)
    for part in ("sweep", "web"):
        loop.kill(part)

    (item,) = loop.workstation("find")["found"]
    assert (item["PatientID"], item["StudyInstanceUID"]) == (PATIENT, image.StudyInstanceUID)
    assert loop.workstation("IN PROGRESS", item["SOPInstanceUID"], "1.2.3.4")["statuses"] == [0]
    loop.kill("listen")
    assert loop.workstation("COMPLETED", item["SOPInstanceUID"], "1.2.3.4")["statuses"] == [0]
    loop.kill("listen")
    loop.ris("final")
    loop.kill("listen-hl7")

    assert loop.workstation("find")["found"] == []
    assert ours.ledger.reading_list.page(10).studies == ()
    (row,) = ours.rows(StudyRecord)
    assert (row.close_source, row.closed_by) == (CloseSource.UPS, "WS_ROOM_3")
    assert [event.event for event in ours.events()].count(EventKind.STUDY_CLOSED) == 1
    ours.wait_until_settled()
    assert_nobody_was_told_twice(loop, image)


def results(loop: Loop) -> list[dict[str, Any]]:
    """Return the results that the RIS was told."""
    return [message for message in loop.messages() if "ORU^R01" in message["text"]]


def assert_nobody_was_told_twice(loop: Loop, image: Dataset) -> None:
    """The PACS holds the image and one report set, and the RIS was told each message of the ledger, and no other.

    A messenger that dies between the RIS' answer and its record sends the same bytes under the same MSH-10 again, by
    which a receiver knows them.
    """
    assert loop.pacs.count_instances() == 4
    assert [row.state for row in loop.ours.deliveries(image)] == [DeliveryState.CONFIRMED] * 3
    told = {(message["id"], message["text"]) for message in loop.messages()}
    assert len(told) == len({number for number, _ in told}) == len(loop.ours.rows(MessageRecord))
    assert len({message["id"] for message in results(loop)}) == 1
