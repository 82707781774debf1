"""Destinations whose answers are odd get their reports; of one that answers nobody says that it cannot be reached."""

import resource
import socket
import threading
import time

import pytest

from service.dicom.scu import DestinationAssociation
from service.settings import DestinationSettings
from service.vocabulary.errors import TransientDeliveryFailure
from tests.phantoms import chest, instance_file
from tests.servers import free_port, wait_until
from tests.service.dicom.odd_answers import BAD_ANSWERS, GOOD_ANSWERS, OddAnswer
from tests.service.dicom.raw_scp import RawScp, accept


def associated(port: int) -> DestinationAssociation:
    return DestinationAssociation(
        DestinationSettings(
            name="pacs", ae_title="PACS", host="127.0.0.1", port=port, connect_timeout=2.0, response_timeout=5.0
        ),
        "AUSCULT",
    )


@pytest.mark.parametrize("odd", GOOD_ANSWERS, ids=lambda odd: odd.name)
def test_an_odd_acceptance_is_one(odd: OddAnswer) -> None:
    """PS3.8 section 9.3.3."""
    sent = chest(rows=40, columns=40, sop_class="SC")
    with RawScp(odd.answer) as scp, associated(scp.port) as destination:
        destination.echo()
        assert destination.store(instance_file(sent)) == 0x0000
        assert scp.stored == [sent.SOPInstanceUID]


@pytest.mark.parametrize("odd", BAD_ANSWERS, ids=lambda odd: odd.name)
def test_a_destination_that_answered_is_told_of_with_its_answer(odd: OddAnswer) -> None:
    """PS3.8 section 9.3.4."""
    with RawScp(odd.answer) as scp:
        destination = associated(scp.port)
        began = time.monotonic()
        with pytest.raises(TransientDeliveryFailure) as failure:
            destination.echo()
        destination.close()
        assert odd.refused is not None
        assert odd.refused in str(failure.value)
        assert "cannot be reached" not in str(failure.value)
        assert time.monotonic() - began < 10
    wait_until(lambda: not [t for t in threading.enumerate() if "Requestor" in t.name], "no thread is left", 5)


def test_a_destination_that_takes_the_connection_and_says_nothing_is_said_to_do_so() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TransientDeliveryFailure, match="takes the connection but does not answer"),
    ):
        associated(silent.getsockname()[1]).echo()


def test_a_destination_where_nobody_listens_cannot_be_reached() -> None:
    with pytest.raises(TransientDeliveryFailure, match="cannot be reached"):
        associated(free_port()).echo()


def test_a_rejected_association_is_asked_for_again_and_used() -> None:
    answers = [BAD_ANSWERS[0].answer, accept]

    def answer(body: bytes) -> bytes | None:
        return answers.pop(0)(body)

    with RawScp(answer) as scp, associated(scp.port) as destination:
        with pytest.raises(TransientDeliveryFailure):
            destination.echo()
        destination.echo()


def test_a_kept_association_costs_no_processor_time_and_loses_no_response() -> None:
    with RawScp(accept) as scp, associated(scp.port) as destination:
        for _ in range(200):
            destination.echo()
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(1.5)
        after = resource.getrusage(resource.RUSAGE_SELF)
        destination.echo()
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.05


def has_ended(destination: DestinationAssociation) -> bool:
    return destination._association is not None and not destination._association.is_established


def test_a_destination_that_released_or_hung_up_meanwhile_is_associated_with_again() -> None:
    with RawScp(accept, ends_after_s=0.3) as scp, associated(scp.port) as destination:
        for _ in range(3):
            destination.echo()
            wait_until(lambda: has_ended(destination), "its end is noticed", 5)
    assert scp.associations == 3
