"""Storage commitment with Orthanc, both ways, each side calling the other back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom import Dataset

from service.ledger.records import CommitmentRecord, CommitmentRequestRecord
from service.vocabulary.commitment import FailureReason
from service.vocabulary.states import CommitmentState, DeliveryState
from tests import phantoms, servers
from tests.journeys.gateway import Gateway, destination, gateway
from tests.servers import free_port, wait_until

# The bounded version is tests/worker/test_commitment_orthanc.py.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Site:
    """An archive and a gateway that ask each other."""

    archive: servers.Orthanc
    gateway: Gateway
    sent: Sequence[Dataset]

    def ask(self, *datasets: Dataset) -> str:
        """Let the archive ask the gateway for instances; return the transaction."""
        instances = [{"SOPClassUID": str(ds.SOPClassUID), "SOPInstanceUID": str(ds.SOPInstanceUID)} for ds in datasets]
        asked = self.archive.rest("modalities/auscult/storage-commitment", {"DicomInstances": instances, "Timeout": 10})
        transaction: str = asked["ID"]
        return transaction

    def outcome(self, transaction: str) -> dict[str, Any]:
        """Return what the archive knows of a transaction."""
        found: dict[str, Any] = self.archive.rest(f"storage-commitment/{transaction}")
        return found

    def wait_for(self, transaction: str) -> dict[str, Any]:
        """Return the gateway's answer."""
        wait_until(lambda: self.outcome(transaction)["Status"] != "Pending", "the answer comes", 30, 0.2)
        return self.outcome(transaction)


@pytest.fixture(scope="module")
def site(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Send a radiograph from the archive to the gateway, and wait until its reports are confirmed."""
    program("Orthanc")
    folder = tmp_path_factory.mktemp("commitment")
    for name in ("gateway", "orthanc"):
        (folder / name).mkdir()
    port = free_port()
    with (
        servers.orthanc(folder / "orthanc", modalities={"auscult": ("AUSCULT", port)}) as archive,
        gateway(
            folder / "gateway",
            [destination(archive.dicom_port, "pacs", "ORTHANC", confirm="commitment")],
            peers=[{"ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}],
            parts=("listen", "work infer", "work deliver"),
            port=port,
            listener={"commitment_patience": 0.2},
        ) as running,
    ):
        image = phantoms.chest(50, patient_id="COMMITMENT-1")
        identifier = archive.store(phantoms.encoded(image))
        archive.send(identifier, "auscult")
        running.wait_until_settled()
        yield Site(archive, running, [image])


def test_the_archive_commits_to_the_reports_on_associations_that_it_opens(site: Site) -> None:
    deliveries = site.gateway.deliveries(site.sent[0])
    assert [row.state for row in deliveries] == [DeliveryState.CONFIRMED] * 3
    confirmed = [row.facts for row in site.gateway.events() if row.event == "confirmed"]
    assert [(facts or {}).get("service") for facts in confirmed] == ["storage commitment"] * 3
    assert {row.answered_by for row in site.gateway.rows(CommitmentRecord)} == {"ORTHANC"}


def test_the_gateway_tells_the_archive_what_it_holds_and_what_not(site: Site) -> None:
    image, absent = site.sent[0], phantoms.chest(51)
    assert site.wait_for(site.ask(image))["Status"] == "Success"
    answer = site.wait_for(site.ask(image, absent))
    assert answer["Status"] == "Failure"
    assert [item["SOPInstanceUID"] for item in answer["Success"]] == [image.SOPInstanceUID]
    (failure,) = answer["Failures"]
    assert failure["SOPInstanceUID"] == absent.SOPInstanceUID
    assert failure["FailureReason"] == FailureReason.NO_SUCH_INSTANCE


def test_a_request_outlives_every_process_that_could_answer_it(site: Site) -> None:
    site.gateway.kill("work deliver")
    transaction = site.ask(site.sent[0])
    site.gateway.kill("listen")
    assert site.outcome(transaction)["Status"] == "Pending"
    (row,) = [row for row in site.gateway.rows(CommitmentRequestRecord) if row.transaction_uid == transaction]
    assert row.state == CommitmentState.WAITING
    site.gateway.start("work deliver")
    assert site.wait_for(transaction)["Status"] == "Success"


def test_no_process_writes_who_the_patient_is(site: Site) -> None:
    output = site.gateway.output()
    assert "storage commitment for" in output
    for value in (site.sent[0].PatientID, site.sent[0].PatientName.family_name):
        assert str(value).casefold() not in output.casefold()
