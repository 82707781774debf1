"""An association ends also while the peer asks something on it: a delivery worker must not hang there."""

import threading
import time
from pathlib import Path
from typing import Any, cast

from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from service.dicom.commitment.associations import AskingAssociation
from service.dicom.commitment.messages import WELL_KNOWN_INSTANCE
from service.dicom.scu import DestinationAssociation
from service.settings import DestinationSettings
from service.vocabulary.commitment import Reference
from tests.fakes import commitment_answer, scripted_pacs
from tests.servers import wait_until
from tests.service.listening import listening


def settings(port: int, ae_title: str) -> DestinationSettings:
    return DestinationSettings(name="pacs", ae_title=ae_title, host="127.0.0.1", port=port, connect_timeout=5)


def test_a_release_ends_though_a_served_request_has_taken_the_word_of_the_pause_back(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        destination = DestinationAssociation(settings(site.port, "AUSCULT"), "ARCHIVE")
        destination.echo()
        association = destination._association
        assert association is not None
        time.sleep(0.05)  # after the echo the reactor goes on, and here it pauses
        association._reactor_checkpoint.clear()
        wait_until(lambda: association._is_paused, "the reactor pauses", 5)
        association._is_paused = False  # as pynetdicom's thread for N-EVENT-REPORT leaves it
        begun = time.monotonic()
        destination.close()
        assert time.monotonic() - begun < 10
        assert association.is_released


def test_the_response_to_an_answer_goes_out_before_the_release() -> None:
    served, statuses = threading.Event(), []

    def take(_: Any) -> int:
        served.set()
        time.sleep(0.2)
        return 0x0000

    with scripted_pacs(commits=True) as pacs:
        asking = AskingAssociation(settings(pacs.port, "SCRIPTED"), "AUSCULT", take)
        asking.establish()
        asking.ask("1.2.3", [Reference("1.2.840.10008.5.1.4.1.1.88.11", "1.2.4")])
        ((theirs, request),) = pacs.commitments

        def tell() -> None:
            event_type, event = commitment_answer(request)
            status, _ = cast(Any, theirs).send_n_event_report(
                event, event_type, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE
            )
            statuses.append(status.get("Status"))

        telling = threading.Thread(target=tell)
        telling.start()
        assert served.wait(10)
        asking.close()
        telling.join(10)
        assert statuses == [0x0000]
        wait_until(lambda: theirs.is_released, "the peer sees the release", 5)
