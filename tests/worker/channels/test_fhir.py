"""FHIR R4: every resource is judged by fhir.resources, and a server keeps one for each order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.task import Task

from service.settings.receivers import FhirSettings
from service.vocabulary.facts import CloseSource, Flag, Reason, Supersession
from service.vocabulary.findings import Finding
from service.vocabulary.states import DeliveryState
from tests.servers import free_port, listens, running
from tests.worker.channels.conftest import Telling


class FhirServer:
    """Keeps what is put, as a FHIR server does; refuses what fhir.resources does."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.tokens: list[str | None] = []
        self.statuses: list[int] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = server.statuses.pop(0) if server.statuses else 200
                kinds: dict[str, Any] = {"DiagnosticReport": DiagnosticReport, "Task": Task}
                try:
                    kinds[body["resourceType"]].model_validate(body)
                    assert self.path == f"/r4/{body['resourceType']}/{body['id']}"
                except ValueError:
                    status = 422
                if status == 200:
                    server.tokens.append(self.headers.get("Authorization"))
                    server.kept[self.path] = body
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/r4"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[FhirServer]:
    made = FhirServer()
    yield made
    made.close()


def fhir(server: FhirServer, **changes: Any) -> FhirSettings:
    return FhirSettings(**{"channel": "fhir", "name": "ehr", "url": server.url, **changes})


def test_a_result_is_one_preliminary_report_that_the_next_of_its_order_replaces(
    telling: Any, server: FhirServer, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    told: Telling = telling(fhir(server, token_file=tmp_path / "token"))
    image = told.site.receive(patient_id="P-1", accession_number="ACC-7")
    told.site.infer(0.9123, Flag.AGE_UNKNOWN)
    server.statuses = [503]
    told.tell()
    assert server.kept == {}
    told.site.now += timedelta(minutes=1)
    told.tell()
    told.site.receive(study_instance_uid=str(image.StudyInstanceUID), patient_id="P-1", accession_number="ACC-7")
    told.site.exclude(Reason.LATERAL_VIEW)
    told.tell()
    assert told.states == {DeliveryState.CONFIRMED: 2}
    (report,) = server.kept.values()
    assert (report["status"], report["basedOn"][0]["identifier"]["value"]) == ("preliminary", "ACC-7")
    assert report["subject"]["identifier"]["value"] == "P-1"
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{image.StudyInstanceUID}"
    assert report["conclusion"].startswith(
        "AI: PNEUMONIA SUSPECTED, probability 91.2 %\nAI: NOT ANALYSED: lateral view"
    )
    first, second = report["contained"]
    assert first["component"][0]["valueQuantity"]["value"] == 91.23
    assert first["note"] == [{"text": "patient age unknown"}]
    assert second["dataAbsentReason"]["coding"][0]["code"] == "lateral_view"
    assert server.tokens == ["Bearer secret-token"] * 2


def test_a_result_told_of_another_patient_is_entered_in_error(telling: Any, server: FhirServer) -> None:
    told: Telling = telling(fhir(server))
    first = told.site.receive(patient_id="P-1")
    told.site.infer(0.1)
    told.tell()
    told.site.receive(
        study_instance_uid=str(first.StudyInstanceUID), sop_instance_uid=str(first.SOPInstanceUID), patient_id="P-2"
    )
    told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    stands = {report["subject"]["identifier"]["value"]: report["status"] for report in server.kept.values()}
    assert stands == {"P-1": "entered-in-error", "P-2": "preliminary"}
    assert "normal" not in json.dumps(server.kept).replace("abnormalities NOT assessed", "").lower()


def test_patients_of_two_issuers_with_one_number_have_reports_of_their_own(telling: Any, server: FhirServer) -> None:
    told: Telling = telling(fhir(server))
    first = told.site.receive(patient_id="P-1", IssuerOfPatientID="EAST")
    told.site.infer(0.1)
    told.tell()
    told.site.receive(
        study_instance_uid=str(first.StudyInstanceUID),
        sop_instance_uid=str(first.SOPInstanceUID),
        patient_id="P-1",
        IssuerOfPatientID="WEST",
    )
    told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    subjects = ((report["subject"]["identifier"], report["status"]) for report in server.kept.values())
    stands = {number["assigner"]["display"]: status for number, status in subjects}
    assert stands == {"EAST": "entered-in-error", "WEST": "preliminary"}


def test_a_report_without_patient_id_is_taken_back_when_the_number_is_known(telling: Any, server: FhirServer) -> None:
    told: Telling = telling(fhir(server))
    first = told.site.receive(patient_id="", accession_number="ACC-1")
    told.site.infer(0.95)
    told.tell()
    told.site.receive(
        study_instance_uid=str(first.StudyInstanceUID),
        sop_instance_uid=str(first.SOPInstanceUID),
        patient_id="P-1",
        accession_number="ACC-1",
    )
    told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    stands = {report["subject"]["identifier"]["value"]: report["status"] for report in server.kept.values()}
    assert stands == {"unknown": "entered-in-error", "P-1": "preliminary"}


def test_what_still_stands_of_an_order_stays_where_one_of_its_images_is_taken_back(
    telling: Any, server: FhirServer
) -> None:
    told: Telling = telling(fhir(server))
    first = told.site.receive(patient_id="P-1", accession_number="ACC-1")
    told.site.infer(0.1)
    told.site.receive(study_instance_uid=str(first.StudyInstanceUID), patient_id="P-1", accession_number="ACC-1")
    told.site.infer(0.95)
    told.tell()
    told.site.receive(
        study_instance_uid=str(first.StudyInstanceUID),
        sop_instance_uid=str(first.SOPInstanceUID),
        patient_id="P-1",
        accession_number="ACC-2",
    )
    told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    kept = {report["basedOn"][0]["identifier"]["value"]: report for report in server.kept.values()}
    assert (kept["ACC-1"]["status"], kept["ACC-2"]["status"]) == ("preliminary", "preliminary")
    assert [one["status"] for one in kept["ACC-1"]["contained"]] == ["preliminary", "entered-in-error"]
    lines = kept["ACC-1"]["conclusion"].splitlines()
    assert lines[0].startswith("AI: PNEUMONIA SUSPECTED")
    assert lines[1] == "AI: WITHDRAWN: patient or study identity was corrected"


def test_a_token_that_cannot_be_read_delays_and_loses_nothing(telling: Any, server: FhirServer, tmp_path: Path) -> None:
    told: Telling = telling(fhir(server, token_file=tmp_path / "absent"))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert str(tmp_path / "absent") in str(told.detail())
    assert told.states == {DeliveryState.PENDING: 1}


def tasks(server: FhirServer) -> list[dict[str, Any]]:
    return [kept for path, kept in server.kept.items() if path.startswith("/r4/Task/")]


def test_a_reading_is_a_task_from_the_result_to_the_reader_and_keeps_its_place(
    telling: Any, server: FhirServer
) -> None:
    told: Telling = telling(fhir(server, tasks=True))
    image = told.site.receive(patient_id="P-1", accession_number="ACC-7")
    told.site.infer(0.1)
    told.tell()
    (task,) = tasks(server)
    assert (task["status"], task["intent"], task["priority"]) == ("requested", "proposal", "routine")
    assert task["focus"]["identifier"]["value"] == f"urn:oid:{image.StudyInstanceUID}"
    assert (task["for"]["identifier"]["value"], task["basedOn"][0]["identifier"]["value"]) == ("P-1", "ACC-7")
    report = task["input"][0]["valueReference"]["reference"]
    assert f"/r4/{report}" in server.kept
    told.site.now += timedelta(minutes=1)
    told.site.receive(study_instance_uid=str(image.StudyInstanceUID), patient_id="P-1", accession_number="ACC-7")
    told.site.infer(0.95)
    told.tell()
    (task,) = tasks(server)
    assert (task["status"], task["priority"]) == ("requested", "urgent")
    told.site.now += timedelta(minutes=1)
    assert told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE, "reader")
    told.tell()
    (task,) = tasks(server)
    assert (task["status"], task["priority"]) == ("completed", "urgent")
    assert task["executionPeriod"]["end"] == task["lastModified"]
    assert len(server.kept) == 2, "superseding replaces both resources"
    assert set(told.states) == {DeliveryState.CONFIRMED}


def test_a_task_of_another_patient_is_entered_in_error_and_each_order_has_its_own(
    telling: Any, server: FhirServer
) -> None:
    told: Telling = telling(fhir(server, tasks=True))
    first = told.site.receive(patient_id="P-1", accession_number="ACC-1")
    told.site.infer(0.1)
    told.tell()
    study = str(first.StudyInstanceUID)
    told.site.receive(
        study_instance_uid=study,
        sop_instance_uid=str(first.SOPInstanceUID),
        patient_id="P-1",
        accession_number="ACC-2",
    )
    told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
    told.site.receive(study_instance_uid=study, patient_id="P-1", accession_number="ACC-3")
    told.site.infer(0.1)
    told.site.ledger.readings.close(study, CloseSource.PAGE, "reader")
    told.tell()
    stands = {task["basedOn"][0]["identifier"]["value"]: task["status"] for task in tasks(server)}
    assert stands == {"ACC-1": "entered-in-error", "ACC-2": "completed", "ACC-3": "completed"}


def test_without_tasks_nothing_but_reports_is_put(telling: Any, server: FhirServer) -> None:
    told: Telling = telling(fhir(server))
    image = told.site.receive()
    told.site.infer(0.95)
    told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE, "reader")
    told.tell()
    assert tasks(server) == []
    assert len(server.kept) == 1


def test_a_server_that_nobody_here_wrote_takes_both_and_keeps_one_of_each(
    telling: Any, tmp_path: Path, program: Callable[[str], str], lack: Any
) -> None:
    modules = Path(__file__).parents[3] / "build" / "fhir"
    node, port = program("node"), free_port()
    if not (modules / "node_modules" / "@medplum" / "fhir-router").is_dir():
        lack("build/fhir holds no FHIR server, such as .ci/run unpacks")
    script, url = Path(__file__).parents[2] / "fhir_server.cjs", f"http://127.0.0.1:{port}/r4"
    told: Telling = telling(FhirSettings(channel="fhir", name="ehr", url=url, tasks=True))
    image = told.site.receive(patient_id="P-1", accession_number="ACC-7")
    told.site.infer(0.1, Flag.AGE_UNKNOWN)
    told.tell()
    assert "cannot be reached" in str(told.detail())
    with running([node, str(script), str(modules), str(port)], tmp_path / "log", lambda: listens(port)):
        told.site.now += timedelta(minutes=1)
        told.tell()
        told.site.receive(study_instance_uid=str(image.StudyInstanceUID), patient_id="P-1", accession_number="ACC-7")
        told.site.infer(0.95, kind=Finding.VIRAL_PNEUMONIA)
        told.site.receive(study_instance_uid=str(image.StudyInstanceUID), patient_id="P-1", accession_number="ACC-7")
        told.site.exclude(Reason.LATERAL_VIEW)
        told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE, "reader")
        told.tell()
        found = [httpx.get(f"{url}/{kind}").json()["entry"] for kind in ("DiagnosticReport", "Task?status=completed")]
        refused = httpx.put(f"{url}/Task/x", json={"resourceType": "Task", "id": "x", "status": "requested"})
    assert set(told.states) == {DeliveryState.CONFIRMED}
    assert refused.status_code == 422, "a resource that breaks its definition is not taken"
    ((report,), (task,)) = ([entry["resource"] for entry in entries] for entries in found)
    assert len(report["contained"]) == 3
    assert (task["priority"], task["input"][0]["valueReference"]["reference"]) == (
        "urgent",
        f"DiagnosticReport/{report['id']}",
    )
