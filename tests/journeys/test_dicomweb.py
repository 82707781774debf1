"""DICOMweb in both directions with Orthanc's plug-in, and a page that is killed while instances come."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset

from service.ledger.records import InstanceRecord
from service.vocabulary.states import DeliveryState, State
from tests import phantoms, servers
from tests.invariants import Invariant
from tests.journeys.faulty import Trap
from tests.journeys.gateway import PARTS, Gateway, gateway
from tests.journeys.test_kills import RECEIVING
from tests.servers import free_port, wait_until
from tests.service.dicomweb_body import CONTENT_TYPE, body

TOKEN = "a token that nobody can guess"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": CONTENT_TYPE}


@dataclass(frozen=True)
class Site:
    """An archive that speaks DICOMweb, the gateway that it sends to and gets reports from."""

    pacs: servers.Orthanc
    gateway: Gateway
    url: str

    def forward(self, *identifiers: str) -> None:
        """Let the archive send instances by its STOW client."""
        request = {"Resources": [*identifiers], "Synchronous": True}
        self.pacs.rest("dicom-web/servers/auscult/stow", request)

    def send(self, dataset: Dataset) -> int | None:
        """Send an instance ourselves; return the status, or None when no answer came."""
        content = body([phantoms.encoded(dataset)])
        try:
            return httpx.post(f"{self.url}/dicomweb/studies", content=content, headers=HEADERS, timeout=10).status_code
        except httpx.HTTPError:
            return None

    def web_memory(self) -> int:
        """Return the most memory that the page's process has had, in bytes."""
        status = Path(f"/proc/{self.gateway.processes['web'].pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def wait_until_serving(self) -> None:
        """Return when the page answers."""

        def serves() -> bool:
            try:
                return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        wait_until(serves, "the page serves", 30)


@pytest.fixture(scope="module")
def site(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program("Orthanc")
    if not Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").exists():
        pytest.skip("orthanc-dicomweb is not installed")
    folder = tmp_path_factory.mktemp("dicomweb")
    for name in ("gateway", "orthanc"):
        (folder / name).mkdir()
    port, token = free_port(), folder / "token"
    token.write_text(TOKEN)
    server = {"Url": f"http://127.0.0.1:{port}/dicomweb/", "HttpHeaders": {"Authorization": f"Bearer {TOKEN}"}}
    settings = {"DicomWeb": {"Servers": {"auscult": server}}}
    with servers.orthanc(folder / "orthanc", dicom_web=True, settings=settings) as pacs:
        destination = {
            "name": "web",
            "channel": "dicomweb",
            "url": f"{pacs.url}/dicom-web",
            "connect_timeout": 1.0,
            "response_timeout": 2.0,
        }
        senders = [{"ae_title": "ORTHANC", "token_file": str(token)}]
        with gateway(
            folder / "gateway", [destination], parts=(*PARTS, "web"), web={"port": port, "senders": senders}
        ) as running:
            site = Site(pacs, running, f"http://127.0.0.1:{port}")
            site.wait_until_serving()
            yield site


def test_what_the_archive_sends_is_reported_into_it_and_confirmed_by_it(site: Site) -> None:
    sent = [phantoms.chest(520 + number, patient_id=f"WEB-{number}") for number in range(2)]
    identifiers = [site.pacs.store(phantoms.encoded(dataset)) for dataset in sent]
    site.forward(*identifiers)
    site.gateway.wait_until_settled()
    for dataset in sent:
        assert site.gateway.version(dataset).state == State.DELIVERED
        assert site.gateway.version(dataset).calling_ae_title == "ORTHANC"
        assert [row.state for row in site.gateway.deliveries(dataset)] == [DeliveryState.CONFIRMED] * 3
        assert len(site.pacs.find("Instance", StudyInstanceUID=str(dataset.StudyInstanceUID))) == 4
    rows = len(site.gateway.versions(sent[0]))
    site.forward(identifiers[0])
    site.gateway.wait_until_settled()
    assert len(site.gateway.versions(sent[0])) == rows
    checks = {check["name"]: check for check in json.loads(site.gateway.run("doctor", "--json").stdout)}
    assert checks["destination web"]["message"].endswith("answers GET with HTTP 200")
    assert len(site.gateway.deliveries(sent[0])) == 3
    reports = site.pacs.find("Instance", StudyInstanceUID=str(sent[0].StudyInstanceUID))
    site.forward(*(identifier for identifier in reports if identifier != identifiers[0]))
    site.gateway.wait_until_settled()
    assert len(site.gateway.deliveries(sent[0])) == 3, "our own objects that come back are never analysed"


def test_an_archive_that_hangs_in_the_middle_holds_each_report_once_when_it_returns(site: Site) -> None:
    dataset = phantoms.chest(530, patient_id="WEB-AWAY")
    site.pacs.store(phantoms.encoded(dataset))
    site.pacs.process.send_signal(signal.SIGSTOP)
    try:
        assert site.send(dataset) == 200
        wait_until(lambda: any(row.attempts > 1 for row in site.gateway.deliveries(dataset)), "it is tried again", 40)
        assert {row.state for row in site.gateway.deliveries(dataset)} == {DeliveryState.PENDING}
    finally:
        site.pacs.process.send_signal(signal.SIGCONT)
    site.gateway.wait_until_settled()
    assert [row.state for row in site.gateway.deliveries(dataset)] == [DeliveryState.CONFIRMED] * 3
    assert len(site.pacs.find("Instance", StudyInstanceUID=str(dataset.StudyInstanceUID))) == 4


def test_many_large_instances_in_one_request_leave_the_memory_flat(site: Site) -> None:
    large = phantoms.encoded(phantoms.chest(540, rows=3500, columns=3000, bits=16, Modality="OT"))
    assert len(large) > 20_000_000
    assert httpx.post(f"{site.url}/dicomweb/studies", content=body([large]), headers=HEADERS).status_code == 200
    before = site.web_memory()
    part = body([large])[: -len(body([]))]
    answer = httpx.post(f"{site.url}/dicomweb/studies", content=(*[part] * 8, body([])), headers=HEADERS, timeout=100)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 8
    assert site.web_memory() - before < 30_000_000


@pytest.mark.slow
@pytest.mark.proves(Invariant.KILLED_AT_ANY_STEP)
def test_a_page_that_is_killed_at_any_step_of_receiving_loses_nothing_and_repeats_nothing(
    site: Site, tmp_path: Path
) -> None:
    trap = Trap(tmp_path, tuple(dict.fromkeys(function for function, _, _ in RECEIVING)))
    sent = [phantoms.chest(550 + number, patient_id=f"WEB-KILL-{number}") for number in range(len(RECEIVING))]
    site.gateway.restart("web", trap)
    for step, dataset in zip(RECEIVING, sent, strict=True):
        site.wait_until_serving()
        trap.set(*step)
        assert site.send(dataset) is None, step
        wait_until(lambda: site.gateway.processes["web"].poll() is not None, "the page has died")
        assert trap.sprung().startswith(step[0])
        site.gateway.restart("web", trap)
    site.wait_until_serving()
    assert [site.send(dataset) for dataset in sent] == [200] * len(sent)
    site.gateway.wait_until_settled()
    for dataset in sent:
        assert [row.state for row in site.gateway.versions(dataset)] == [State.DELIVERED]
        assert [row.state for row in site.gateway.deliveries(dataset)] == [DeliveryState.CONFIRMED] * 3


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
def test_what_the_page_acknowledged_is_there_however_often_it_is_killed(site: Site) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def send() -> None:
        number = 600
        while not stop.is_set():
            number += 1
            dataset = phantoms.chest(number, rows=64, columns=64)  # too small to be analysed
            if site.send(dataset) == 200:
                acknowledged.append(str(dataset.SOPInstanceUID))
            else:
                stop.wait(0.05)

    def wait_for_more() -> None:
        enough = len(acknowledged) + 4
        wait_until(lambda: len(acknowledged) > enough, "some are acknowledged", 60, 0.005)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(3):
            wait_for_more()
            site.gateway.restart("web")
            site.wait_until_serving()
    finally:
        stop.set()
        sender.join(30)
    site.gateway.wait_until_settled()
    held = {row.sop_instance_uid: row for row in site.gateway.rows(InstanceRecord)}
    assert len(acknowledged) > 12
    assert [uid for uid in acknowledged if uid not in held] == []
    objects = site.gateway.folder / "data" / "objects"
    assert all((objects / row.object_key[:2] / row.object_key).is_file() for row in held.values())
