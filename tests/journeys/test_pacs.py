"""Orthanc as the PACS: it forwards by its own rule, receives the reports, and forwards those as well."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from pydicom import Dataset

from service.ledger.records import InstanceRecord, ReportRecord
from service.vocabulary.states import State
from tests import phantoms, servers
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.servers import forward_everything, free_port, wait_until

#: How long nothing may change once all is said; AUSCULT_SOAK_SECONDS asks for more.
SOAK_S = float(os.environ.get("AUSCULT_SOAK_SECONDS", "12"))


@dataclass(frozen=True)
class Site:
    """A PACS that forwards everything, and the gateway that it forwards to."""

    pacs: servers.Orthanc
    gateway: Gateway
    sent: Sequence[Dataset]


@pytest.fixture(scope="module", params=["embedded", "celery"])
def site(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Send three radiographs to the PACS, and wait until the reports have gone round."""
    program("Orthanc")
    storescu = program("storescu")
    engines = {}
    if request.param == "celery":
        engines["database_url"] = request.getfixturevalue("_postgres").create_database()
        engines["redis_url"] = request.getfixturevalue("redis_url")
        redis.Redis.from_url(engines["redis_url"]).flushall()
    folder = tmp_path_factory.mktemp(f"pacs-{request.param}")
    for name in ("gateway", "orthanc"):
        (folder / name).mkdir()
    port = free_port()
    with (
        servers.orthanc(
            folder / "orthanc",
            modalities={"auscult": ("AUSCULT", port)},
            callers=("MODALITY",),
            lua=forward_everything("auscult"),
        ) as pacs,
        gateway(
            folder / "gateway",
            [destination(pacs.dicom_port, "pacs", "ORTHANC")],
            port=port,
            log={"level": "debug"},
            **engines,
        ) as running,
    ):
        sent = [phantoms.chest(20 + number, patient_id=f"PACS-{number}") for number in range(3)]
        for dataset in sent:
            _send(storescu, pacs.dicom_port, dataset, folder / "image.dcm")
        pacs.wait_for_instances(4 * len(sent), 60)
        wait_until(lambda: len(_own(running)) == 3 * len(sent), "the reports have come back", 60)
        running.wait_until_settled()
        yield Site(pacs, running, sent)


def _send(storescu: str, port: int, dataset: Dataset, path: Path) -> None:
    phantoms.write(dataset, path)
    command = [storescu, "-aet", "MODALITY", "-aec", "ORTHANC", "127.0.0.1", str(port), str(path)]
    subprocess.run(command, check=True, timeout=30)


def _own(running: Gateway) -> list[InstanceRecord]:
    return [row for row in running.rows(InstanceRecord) if row.state == State.OWN]


def test_every_image_that_the_pacs_forwards_is_reported_and_confirmed_by_it(site: Site) -> None:
    for dataset in site.sent:
        assert site.gateway.version(dataset).state == State.DELIVERED
        assert [row.state for row in site.gateway.deliveries(dataset)] == ["confirmed"] * 3
        study = site.pacs.find("Study", StudyInstanceUID=str(dataset.StudyInstanceUID))
        assert len(study) == 1
        assert len(site.pacs.find("Instance", StudyInstanceUID=str(dataset.StudyInstanceUID))) == 4


@pytest.mark.proves(Invariant.OWN_IS_NEVER_ANALYSED)
def test_our_own_objects_that_come_back_are_recorded_and_never_analysed(site: Site) -> None:
    reports = site.gateway.rows(ReportRecord)
    assert {row.sop_instance_uid for row in _own(site.gateway)} == {row.sop_instance_uid for row in reports}
    assert all(row.returned_at is not None for row in reports)
    assert len(reports) == 3 * len(site.sent)
    assert {row.event for row in site.gateway.events() if row.state == State.OWN} <= {"received", "received again"}


@pytest.mark.proves(Invariant.OWN_IS_NEVER_ANALYSED)
@pytest.mark.timeout(SOAK_S + 60)
def test_nothing_goes_round_in_circles(site: Site) -> None:
    rows, held = len(site.gateway.rows(InstanceRecord)), site.pacs.count_instances()
    assert held == 4 * len(site.sent)
    events = len(site.gateway.events())
    deadline = time.monotonic() + SOAK_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        assert site.pacs.count_instances() == held
    assert len(site.gateway.rows(InstanceRecord)) == rows
    assert len(site.gateway.events()) == events


@pytest.mark.proves(Invariant.NO_PATIENT_IN_LOGS)
def test_no_process_writes_who_the_patient_is(site: Site) -> None:
    output = site.gateway.output().casefold()
    assert str(site.sent[0].SOPInstanceUID) in output
    for dataset in site.sent:
        for value in (dataset.PatientID, dataset.PatientName.family_name, dataset.AccessionNumber):
            assert str(value).casefold() not in output
        assert str(dataset.PatientBirthDate) not in output
