"""UPS: the reading of an order stands on another's worklist, claimed by nobody twice and gone when it is read."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom import Dataset

from service.settings.receivers import UpsRsSettings, UpsSettings
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.facts import CloseSource, Supersession
from service.vocabulary.states import DeliveryState
from service.vocabulary.uids import is_own_uid
from service.vocabulary.work_items import WorkItemState, WorkItemStatus
from tests.servers import find_program, free_port, wait_until
from tests.worker.channels.conftest import Telling
from worker.channels.ups import UpsChannel

ROOT = Path(__file__).parents[3]


class StandIn:
    """An owner without a wire: it answers what its script says, with success after the script's end."""

    def __init__(self, *script: int) -> None:
        self.script = list(script)
        self.asked: list[tuple[Any, ...]] = []

    def _answer(self, *asked: Any) -> int:
        self.asked.append(asked)
        return self.script.pop(0) if self.script else 0

    def create(self, uid: str, dataset: Dataset) -> int:
        return self._answer("create", uid, dataset)

    def update(self, uid: str, dataset: Dataset) -> int:
        return self._answer("update", uid, dataset)

    def change(self, uid: str, state: WorkItemState, key: str) -> int:
        return self._answer(str(state), uid, key)

    def request_cancel(self, uid: str, dataset: Dataset) -> int:
        return self._answer("cancel", uid, dataset)

    def close(self) -> None:
        pass

    @property
    def words(self) -> list[str]:
        return [asked[0] for asked in self.asked]


def ups(port: int = 1, **changes: Any) -> UpsSettings:
    return UpsSettings(
        **{"channel": "ups", "name": "ris", "ae_title": "RIS", "host": "127.0.0.1", "port": port} | changes
    )


@contextmanager
def owner(folder: Path, port: int) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Run the owner that is made of dcmjs-dimse; give what it was asked."""
    modules = ROOT / "build" / "ups" / "node_modules"
    path = folder / "asked.json"
    program = [str(find_program("node")), str(ROOT / "tests" / "ups_owner.cjs"), str(modules), str(port)]
    with path.open("wb") as told:
        process = subprocess.Popen(program, stdout=told, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "listening" in path.read_text(), "the owner listens")
        yield lambda: [json.loads(line) for line in path.read_text().splitlines() if line.startswith('{"what"')]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def dcmjs(program: Callable[[str], str], lack: Any) -> None:
    program("node")
    if not (ROOT / "build" / "ups" / "node_modules" / "dcmjs-dimse").is_dir():
        lack("build/ups holds no dcmjs-dimse, such as .ci/run unpacks")


@pytest.mark.usefixtures("dcmjs")
def test_dcmjs_dimse_gets_one_work_item_that_is_changed_and_completed(telling: Any, tmp_path: Path) -> None:
    port = free_port()
    told: Telling = telling(ups(port))
    image = told.site.receive(patient_id="P-1", patient_name="Trần^Văn", accession_number="ACC-7")
    told.site.infer(0.1)
    told.tell()
    assert "cannot be reached" in str(told.detail())
    told.site.now += timedelta(minutes=1)
    with owner(tmp_path, port) as asked:
        told.tell()
        told.site.receive(
            study_instance_uid=str(image.StudyInstanceUID),
            patient_id="P-1",
            patient_name="Trần^Văn",
            accession_number="ACC-7",
        )
        told.site.infer(0.97)
        told.tell()
        told.site.now += timedelta(minutes=1)
        told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE, "Dr. A")
        told.tell()
        requests = asked()
    assert [(request["what"], request["status"]) for request in requests] == [
        ("N-CREATE", 0),
        ("N-CREATE", 0x0111),
        ("N-SET", 0),
        ("N-SET", 0),
        ("N-ACTION 1", 0),
        ("N-SET", 0),
        ("N-ACTION 1", 0),
    ]
    assert {request["uid"] for request in requests} == {requests[0]["uid"]}
    assert is_own_uid(requests[0]["uid"])
    created, last = requests[0]["said"], requests[-1]
    assert (created["PatientID"], created["ProcedureStepState"], created["ScheduledProcedureStepPriority"]) == (
        "P-1", "SCHEDULED", "LOW",
    )  # fmt: skip
    assert "Trần" in json.dumps(created["PatientName"], ensure_ascii=False)
    assert last["state"] == "COMPLETED"
    assert last["elements"]["ScheduledProcedureStepPriority"] == "MEDIUM"
    assert last["elements"]["CommentsOnTheScheduledProcedureStep"].startswith("AI: PNEUMONIA SUSPECTED")
    assert told.states == {DeliveryState.CONFIRMED: 4}


@pytest.mark.usefixtures("dcmjs")
def test_dcmjs_dimse_cancels_what_was_of_another_patient(telling: Any, tmp_path: Path) -> None:
    port = free_port()
    told: Telling = telling(ups(port, when_read="cancel"))
    with owner(tmp_path, port) as asked:
        first = told.site.receive(patient_id="P-1")
        told.site.infer(0.1)
        told.tell()
        told.site.receive(
            study_instance_uid=str(first.StudyInstanceUID), sop_instance_uid=str(first.SOPInstanceUID), patient_id="P-2"
        )
        told.site.infer(0.1, superseding=Supersession.IDENTITY_CORRECTED)
        told.tell()
        told.site.now += timedelta(minutes=1)
        told.site.ledger.readings.close(str(first.StudyInstanceUID), CloseSource.PAGE)
        told.tell()
        requests = asked()
    assert [request["what"] for request in requests] == [
        "N-CREATE", "N-ACTION 2", "N-CREATE", "N-ACTION 2", "N-ACTION 2",
    ]  # fmt: skip
    assert {request["uid"]: request["state"] for request in requests} == {
        requests[0]["uid"]: "CANCELED",
        requests[2]["uid"]: "CANCELED",
    }
    assert requests[2]["said"]["PatientID"] == "P-2"
    assert "identity was corrected" in requests[1]["said"]["ReasonForCancellation"]


def sent(telling: Any, script: list[int], do: str = "complete") -> tuple[str, StandIn]:
    """Send one step to an owner that answers what a script says."""
    stand_in = StandIn(*script)
    channel = UpsChannel(telling(ups()).site.settings, ups(), stand_in)
    payload = json.dumps([{"do": do, "uid": "1.2.3", "dataset": {}}]).encode()
    return channel.send(None, payload), stand_in  # type: ignore[arg-type]


def test_what_somebody_performs_or_has_ended_is_left_to_them(telling: Any) -> None:
    said, stand_in = sent(telling, [WorkItemStatus.WRONG_TRANSACTION_UID])
    assert (said, stand_in.words) == ("left alone, for somebody performs it (0xC301)", ["IN PROGRESS"])


def test_whoever_died_within_a_completion_goes_on_with_the_same_key(telling: Any) -> None:
    said, stand_in = sent(telling, [WorkItemStatus.ALREADY_IN_PROGRESS])
    assert stand_in.words == ["IN PROGRESS", "update", "COMPLETED"]
    assert stand_in.asked[0][2] == stand_in.asked[1][2].TransactionUID == stand_in.asked[2][2]
    assert said == "completed (0x0000)"


@pytest.mark.parametrize(
    ("status", "failure"), [(0x0110, TransientDeliveryFailure), (0x0106, PermanentDeliveryFailure)]
)
def test_an_owner_that_refuses_is_asked_again_where_that_may_help(
    telling: Any, status: int, failure: type[Exception]
) -> None:
    with pytest.raises(failure, match=f"0x{status:04X}"):
        sent(telling, [status], "create")


def test_a_result_that_comes_after_the_reading_pushes_nothing_and_one_of_a_study_opened_again_does(
    telling: Any,
) -> None:
    told: Telling = telling(ups())
    image = told.site.receive()
    uid = str(image.StudyInstanceUID)
    told.site.infer(0.1)
    told.site.now += timedelta(minutes=1)
    told.site.ledger.readings.close(uid, CloseSource.PAGE)
    told.site.now += timedelta(minutes=1)
    told.site.receive(study_instance_uid=uid)
    told.site.infer(0.1)
    told.site.now += timedelta(minutes=1)
    told.site.ledger.readings.reopen(uid)
    told.site.receive(study_instance_uid=uid)
    told.site.infer(0.1)
    stand_in = StandIn()
    channel = UpsChannel(told.site.settings, told.receiver, stand_in)  # type: ignore[arg-type]
    pushed = []
    lease = timedelta(minutes=1)
    while rows := told.site.ledger.messages.claim("one", "ris", 10, lease):
        for row in rows:
            history = told.site.ledger.inspection.history(uid)
            assert history is not None
            payload = channel.build(row, history)
            pushed.append([step["do"] for step in json.loads(payload)] if payload else None)
            assert payload == channel.build(row, history)
            told.site.ledger.messages.save_nothing_to_tell(row)
    assert pushed == [["create"], ["complete"], ["create"], ["create"]]


class RsServer:
    """Work items over HTTP, as PS3.18 section 11 has them; every body is read by pydicom."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, int]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._serve()

            def do_PUT(self) -> None:
                self._serve()

            def _serve(self) -> None:
                (body,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.headers["Content-Type"] == "application/dicom+json"
                status = server.answer(self.command, urlsplit(self.path), Dataset.from_json(body))
                server.asked.append((self.command, self.path.replace(str(next(iter(server.items))), "UID"), status))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, method: str, target: Any, said: Dataset) -> int:
        query, parts = parse_qs(target.query), target.path.split("/")[2:]
        if "workitem" in query:
            (uid,) = query["workitem"]
            if uid in self.items:
                return 409
            self.items[uid] = {"state": "SCHEDULED", "key": None, "said": said}
            return 201
        item = self.items.get(parts[1])
        if item is None:
            return 404
        key = query.get("transaction-uid", [None])[0]
        match parts[2:]:
            case ["state"]:
                if item["state"] == "SCHEDULED":
                    item["key"] = said.TransactionUID
                elif said.TransactionUID != item["key"] or said.ProcedureStepState == item["state"]:
                    return 409
                item["state"] = said.ProcedureStepState
            case ["cancelrequest"]:
                item["state"] = "CANCELED"
                return 202
            case _:
                if key != item["key"]:
                    return 409
                item["said"].update(said)
        return 200

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[RsServer]:
    made = RsServer()
    yield made
    made.close()


def test_the_same_work_item_goes_over_http(telling: Any, server: RsServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    receiver = UpsRsSettings(channel="ups-rs", name="ris", url=server.url, token_file=tmp_path / "token")
    told: Telling = telling(receiver)
    image = told.site.receive(patient_id="P-1")
    told.site.infer(0.97)
    told.tell()
    told.site.now += timedelta(minutes=1)
    told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE)
    told.tell()
    (item,) = server.items.values()
    assert (item["state"], item["said"].PatientID, item["said"].ScheduledProcedureStepPriority) == (
        "COMPLETED", "P-1", "MEDIUM",
    )  # fmt: skip
    key = item["key"]
    assert server.asked == [
        ("POST", "/dicom-web/workitems?workitem=UID", 201),
        ("POST", "/dicom-web/workitems/UID", 200),
        ("PUT", "/dicom-web/workitems/UID/state", 200),
        ("POST", f"/dicom-web/workitems/UID?transaction-uid={key}", 200),
        ("PUT", "/dicom-web/workitems/UID/state", 200),
    ]
    assert told.states == {DeliveryState.CONFIRMED: 3}


def test_somebody_else_s_claim_over_http_is_left_alone(telling: Any, server: RsServer) -> None:
    told: Telling = telling(UpsRsSettings(channel="ups-rs", name="ris", url=server.url))
    image = told.site.receive()
    told.site.infer(0.1)
    told.tell()
    (item,) = server.items.values()
    item.update(state="IN PROGRESS", key="1.2.3")
    told.site.now += timedelta(minutes=1)
    told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.PAGE)
    told.tell()
    assert item["state"] == "IN PROGRESS"
    assert told.states == {DeliveryState.CONFIRMED: 2}
