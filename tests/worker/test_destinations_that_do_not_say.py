"""Destinations that take a report and then do not say, or deny, that they hold it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, SecondaryCaptureImageStorage

from service.dicom.instance_file import InstanceFile
from service.dicom.scu import DestinationAssociation
from service.ledger import Ledger
from service.vocabulary.errors import TransientDeliveryFailure
from service.vocabulary.figures import MISSING, UNCONFIRMABLE
from service.vocabulary.states import DeliveryState, State
from tests.fakes import ScriptedPacs, scripted_pacs
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination
from worker.courier import Courier

#: An association is kept through the hours that the tests' clock is turned by.
_KEPT = {"idle_release": 1e6}


def at_work(gateway: Any, pacs: ScriptedPacs, images: int = 1, **changes: Any) -> tuple[Gateway, Courier]:
    """Return a gateway whose reports stand in the outbox, and the courier to the PACS."""
    made: Gateway = gateway(
        destination(pacs.port, **{"reports": ["text_sr"], "response_timeout": 5, **changes}), delivery=_KEPT
    )
    for seed in range(images):
        made.receive(chest(seed=seed))
    assert made.infer() == images
    assert made.build() == images
    return made, made.courier()


def states(made: Gateway) -> list[str]:
    return [row.state for row in made.deliveries]


def counted(made: Gateway, name: str) -> float:
    return sum(number for (figure, _), number in made.ledger.figures.tally.take().items() if figure == name)


def test_an_archive_that_fails_to_say_is_asked_ever_more_seldom_and_then_no_more(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """PS3.4 section C.4.1.1.4: a C-FIND may fail though the object is there."""
    caplog.set_level(logging.INFO, "auscult")  # pynetdicom would write down each C-FIND
    with scripted_pacs() as pacs:
        made, courier = at_work(gateway, pacs, images=2)
        courier.step()
        pacs.find_failure = 0xA900
        begun = made.clock()
        while made.clock() - begun < timedelta(hours=26):
            made.clock.turn(seconds=courier.pause(1800))
            courier.step()
        courier.close()
    assert states(made) == [DeliveryState.UNCONFIRMABLE] * 2
    assert {row.state for row in made.instances} == {State.DELIVERED}
    # With pauses of up to a quarter of an hour, whether there are two reports or a thousand.
    assert pacs.finds_asked < 24 * 8 + 30
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([record for record in warnings if "cannot be confirmed" in record.getMessage()]) == 1
    assert len(pacs.received) == 2
    assert made.events.count("put off") <= 2 * 2, "the history tells it once for each reason"
    assert counted(made, UNCONFIRMABLE.name) == 2


@pytest.mark.parametrize("status", [0xA900, 0xC000])
def test_an_archive_that_says_again_is_believed_and_the_log_tells_it_once(
    gateway: Any, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.INFO, "auscult")
    with scripted_pacs() as pacs:
        made, courier = at_work(gateway, pacs, images=3)
        courier.step()
        pacs.find_failure = status
        for _ in range(20):
            made.clock.turn(seconds=courier.pause(900))
            courier.step()
        pacs.find_failure = 0
        for _ in range(8):
            made.clock.turn(minutes=5)
            courier.step()
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED] * 3
    told = [record.getMessage() for record in caplog.records if "cannot be confirmed" in record.getMessage()]
    assert len([line for line in told if f"0x{status:04X}" in line]) == 1
    assert told[-1].endswith("works again")


def test_an_archive_that_has_a_report_already_is_asked_and_never_dead(gateway: Any) -> None:
    """PS3.7 Annex C: 0x0111, Duplicate SOP Instance."""
    with scripted_pacs([0x0111]) as pacs:
        made, courier = at_work(gateway, pacs)
        pacs.received.append(_like(made))
        courier.step()
        assert (states(made), made.deliveries[0].status) == ([DeliveryState.SENT], 0x0111)
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]


def test_an_archive_that_has_a_report_already_and_is_not_asked_has_it(gateway: Any) -> None:
    with scripted_pacs([0x0111]) as pacs:
        made, courier = at_work(gateway, pacs, confirm="none")
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.SENT]
    assert made.instances[0].state == State.DELIVERED


def test_an_archive_that_contradicts_itself_is_not_sent_the_same_for_ever(gateway: Any) -> None:
    with scripted_pacs([0x0111]) as pacs:
        made, courier = at_work(gateway, pacs)
        for _ in range(30):
            courier.step()
            made.clock.turn(minutes=1)
        courier.close()
    assert pacs.script == []
    assert pacs.received == []
    assert states(made) == [DeliveryState.UNCONFIRMABLE]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0001, DeliveryState.SENT),
        (0x0107, DeliveryState.SENT),
        (0x0116, DeliveryState.SENT),
        (0xB000, DeliveryState.SENT),
        (0xB006, DeliveryState.SENT),
        (0xB007, DeliveryState.SENT),
        (0x0105, DeliveryState.DEAD),
        (0x0106, DeliveryState.DEAD),
        (0x0119, DeliveryState.DEAD),
        (0x0120, DeliveryState.DEAD),
        (0x0121, DeliveryState.DEAD),
        (0x0211, DeliveryState.DEAD),
        (0x0212, DeliveryState.DEAD),
        (0x0110, DeliveryState.PENDING),
        (0x0210, DeliveryState.PENDING),
        (0x0213, DeliveryState.PENDING),
        (0xA701, DeliveryState.PENDING),
        (0xFE00, DeliveryState.PENDING),
    ],
)
def test_each_status_of_the_standard_has_its_consequence(gateway: Any, status: int, expected: str) -> None:
    """PS3.4 Table B.2-1 and PS3.7 Annex C."""
    with scripted_pacs([status]) as pacs:
        made, courier = at_work(gateway, pacs)
        courier.step()
        courier.close()
    assert states(made) == [expected]


def test_an_attempt_without_an_answer_is_waited_out_before_the_next(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive may delete as the broken first copy what it has just stored as the second."""
    with scripted_pacs() as pacs:
        made, courier = at_work(gateway, pacs, response_timeout=45)
        with monkeypatch.context() as patch:
            patch.setattr(DestinationAssociation, "store", _no_answer)
            courier.step()
        made.clock.turn(seconds=44)
        assert courier.step() == 0
        made.clock.turn(seconds=2)
        assert courier.step() == 1
        courier.close()
    assert states(made) == [DeliveryState.SENT]


def _no_answer(_self: DestinationAssociation, _instance: InstanceFile) -> int:
    raise TransientDeliveryFailure("the destination did not answer in time", in_doubt=True)


@pytest.mark.parametrize("way", ["find", "commitment"])
def test_what_was_confirmed_is_looked_for_again_and_sent_again_when_it_is_gone(gateway: Any, way: str) -> None:
    with scripted_pacs() as pacs:
        made, courier = at_work(gateway, pacs, confirm=way)
        _look_again(made, hours=(1, 24))
        courier = made.courier()
        for _ in range(3):
            courier.step()
            made.clock.turn(seconds=1)
        assert (states(made), made.instances[0].state) == ([DeliveryState.CONFIRMED], State.DELIVERED)
        pacs.received.clear()  # a disk of the archive's was restored from last week's copy
        made.clock.turn(hours=1)
        for _ in range(9):
            courier.step()
            made.clock.turn(seconds=61)
        assert pacs.uids() == [made.reports[0].sop_instance_uid]
        assert (states(made), made.instances[0].state) == ([DeliveryState.CONFIRMED], State.DELIVERED)
        assert made.events.count("missing") == 1
        assert counted(made, MISSING.name) == 1
        for _ in range(2):
            made.clock.turn(hours=24)
            courier.step()
        courier.close()
    assert made.events.count("still held") == 2
    assert made.deliveries[0].next_attempt_at is None


def test_what_is_still_held_after_a_day_is_not_asked_for_any_more(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made, courier = at_work(gateway, pacs)
        _look_again(made, hours=(1, 24))
        courier = made.courier()
        for _ in range(60):
            courier.step()
            made.clock.turn(hours=1)
        courier.close()
    assert pacs.finds_asked == 3
    assert states(made) == [DeliveryState.CONFIRMED]
    assert len(pacs.received) == 1


def _look_again(made: Gateway, hours: tuple[int, ...]) -> None:
    again = [timedelta(hours=each) for each in hours]
    made.ledger = Ledger(made.ledger.engine, made.settings.worklist.reading_order, made.clock, again)


def _like(made: Gateway) -> Dataset:
    dataset = Dataset()
    dataset.SOPInstanceUID = made.reports[0].sop_instance_uid
    return dataset


@pytest.mark.parametrize(
    "accepted",
    [[BasicTextSRStorage], [BasicTextSRStorage, SecondaryCaptureImageStorage, ComprehensiveSRStorage]],
)
def test_a_destination_that_takes_basic_text_sr_only_gets_the_text_report(gateway: Any, accepted: list[str]) -> None:
    with scripted_pacs(sop_classes=accepted) as pacs:
        made, courier = at_work(gateway, pacs)
        courier.step()
        courier.step()
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    (report,) = pacs.received
    assert report.SOPClassUID == BasicTextSRStorage
    assert "NUM" not in str(report.ContentSequence)
    assert states(made) == [DeliveryState.CONFIRMED]
