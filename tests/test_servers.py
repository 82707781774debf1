"""The real servers of the tests start, answer and stop."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import psycopg
import pytest
import redis
import sqlalchemy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from tests import servers


def secondary_capture() -> bytes:
    """Return a DICOM file of 8 x 8 pixels."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientID = "PHANTOM"
    dataset.PatientName = "Phantom^One"
    dataset.Modality = "OT"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.arange(64, dtype=np.uint8).tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_redis_answers_and_starts_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        client.set("auscult-test", "1", ex=60)
        assert client.get("auscult-test") == b"1"


def test_each_postgres_url_is_an_empty_database_of_its_own(postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    try:
        assert sqlalchemy.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE seen (n integer)"))
    finally:
        engine.dispose()


def test_postgres_ends_with_its_block(program: Callable[[str], str]) -> None:
    program("initdb")
    with servers.postgres_server() as postgres:
        url = postgres.create_database().replace("+psycopg", "")
        psycopg.connect(url).close()
    assert postgres.process.returncode is not None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)


def test_orthanc_forwards_what_it_stores_to_storescp(
    orthanc: Callable[..., servers.Orthanc], storescp: Callable[..., servers.StoreScp]
) -> None:
    receiver = storescp(ae_title="RECEIVER")
    pacs = orthanc(modalities={"receiver": ("RECEIVER", receiver.port)}, lua=servers.forward_everything("receiver"))
    identifier = pacs.store(secondary_capture())
    assert pacs.count_instances() == 1
    assert pacs.find(PatientID="PHANTOM") == [identifier]
    assert receiver.wait_for(1)[0].read_bytes()[128:132] == b"DICM"
    assert pacs.file(identifier)[128:132] == b"DICM"


def test_orthanc_takes_associations_only_from_the_callers_it_is_told(
    orthanc: Callable[..., servers.Orthanc], program: Callable[[str], str], tmp_path: Path
) -> None:
    pacs = orthanc(ae_title="PACS", callers=["MODALITY"])
    image = tmp_path / "image.dcm"
    image.write_bytes(secondary_capture())

    def store(calling_ae_title: str) -> int:
        command = [program("storescu"), "-aet", calling_ae_title, "-aec", "PACS", "127.0.0.1", str(pacs.dicom_port)]
        return subprocess.run([*command, str(image)], capture_output=True, timeout=60, check=False).returncode

    assert store("STRANGER") != 0
    assert pacs.count_instances() == 0
    assert store("MODALITY") == 0
    assert pacs.count_instances() == 1


def test_orthanc_serves_dicomweb_when_asked(orthanc: Callable[..., servers.Orthanc]) -> None:
    pacs = orthanc(dicom_web=True)
    pacs.store(secondary_capture())
    studies = pacs.rest("dicom-web/studies")
    assert [study["00100020"]["Value"] for study in studies] == [["PHANTOM"]]


def test_a_server_that_ends_at_once_fails_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no luck today')"]
    with (
        pytest.raises(RuntimeError, match="no luck today"),
        servers.running(command, tmp_path / "log", lambda: False),
    ):
        pass


def test_what_a_server_forked_ends_with_it(tmp_path: Path) -> None:
    child = "import time; time.sleep(60)"
    parent = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid, flush=True); {child}"
    )
    log = tmp_path / "log"
    with servers.running([sys.executable, "-c", parent], log, lambda: log.read_text().endswith("\n")):
        pid = int(log.read_text())
        os.kill(pid, 0)
    servers.wait_until(lambda: not _runs(pid), "the forked process ends")


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_dcmtk_comes_before_the_programs_of_pynetdicom(program: Callable[[str], str]) -> None:
    for name in ("storescu", "storescp", "findscu", "echoscu"):
        assert program(name).startswith("/usr/bin/")


def test_no_port_is_given_twice_nor_to_two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    given = []
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        given.append({servers.free_port() for _ in range(50)})
        assert len(given[-1]) == 50
    assert given[0].isdisjoint(given[1])


def test_a_port_that_is_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy:
        port = servers.free_port()
        busy.bind(("127.0.0.1", port))
        busy.listen()
        monkeypatch.setattr(servers, "_PORTS", range(port, port + 1))
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
        monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
        with pytest.raises(RuntimeError, match=f"no port from {port} to {port} is free"):
            servers.free_port()


def test_a_missing_program_is_found_nowhere() -> None:
    assert servers.find_program("no-program-has-this-name") is None
