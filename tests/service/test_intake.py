from collections.abc import Iterator
from pathlib import Path

import pytest

from service.intake import AnnouncedInstance, Reception
from service.ledger.admission import Registered
from service.objects.local import LocalIncoming
from service.operations.wake import Task
from service.vocabulary.errors import (
    InvalidUid,
    LedgerUnavailable,
    NotDicom,
    ObjectTooLarge,
    StoreFull,
    StoreUnavailable,
)
from tests.service.dicom.raw_scu import CR, EXPLICIT, header
from tests.service.listening import Site, listening


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with listening(tmp_path, maximum_object_bytes=4096) as site:
        yield site


def _request(sop_instance_uid: str = "2.25.1001") -> AnnouncedInstance:
    return AnnouncedInstance(CR, sop_instance_uid, CR, EXPLICIT, "MODALITY")


def _received(site: Site, data: bytes, **request: str) -> Reception:
    reception = site.intake.begin(_request(**request))
    for start in range(0, len(data), 100):
        reception.write(memoryview(data)[start : start + 100])
    return reception


def test_an_image_is_admitted_and_a_worker_woken_after_the_commit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(site.waker, "wake", lambda task: seen.append((task, len(site.instances))))
    receipt = site.intake.admit(_received(site, header()))
    assert (receipt.registered, receipt.held) == (Registered.NEW, False)
    assert seen == [(Task.INFER, 1)]
    assert site.half_received == []


def test_what_is_known_wakes_nobody(site: Site) -> None:
    for expected in (Registered.NEW, Registered.KNOWN):
        assert site.intake.admit(_received(site, header())).registered is expected
    assert site.waker.tasks == [Task.INFER]


def test_two_patients_under_one_study_are_held(site: Site) -> None:
    site.intake.admit(_received(site, header()))
    other = header("2.25.1002", patient_id=b"SOMEBODY ELSE", patient_name=b"Else^Somebody")
    assert site.intake.admit(_received(site, other, sop_instance_uid="2.25.1002")).held
    assert site.studies[0].held_reason is not None


def test_a_reception_beyond_the_limit_forgets_all_and_counts_on(site: Site) -> None:
    reception = _received(site, bytes(4097))
    assert site.half_received == []
    reception.write(memoryview(bytes(10_000)))
    assert reception.size == 14_097
    with pytest.raises(ObjectTooLarge, match="4096 bytes"):
        site.intake.admit(reception)


def test_a_request_that_names_no_instance_opens_no_file(site: Site) -> None:
    reception = _received(site, header(), sop_instance_uid="")
    assert site.half_received == []
    with pytest.raises(InvalidUid, match="Affected SOP Instance UID"):
        site.intake.admit(reception)


def test_a_disk_that_refuses_is_told_when_the_data_set_has_arrived(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_incoming: LocalIncoming, piece: bytes) -> None:
        if len(piece) == 100:
            raise StoreUnavailable

    monkeypatch.setattr(LocalIncoming, "write", refuse)
    reception = _received(site, header())
    assert site.half_received == []
    with pytest.raises(StoreUnavailable):
        site.intake.admit(reception)


def test_a_full_disk_refuses_at_the_beginning(tmp_path: Path) -> None:
    with listening(tmp_path, minimum_free_bytes=1 << 60) as site, pytest.raises(StoreFull):
        site.intake.admit(_received(site, header()))


def test_a_reception_that_nobody_admits_leaves_nothing(site: Site) -> None:
    reception = _received(site, header())
    assert len(site.half_received) == 1
    reception.discard()
    assert site.half_received == []


def test_refused_and_unregistered_objects_leave_no_half_received_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotDicom):
        site.intake.admit(_received(site, b"nothing"))

    def fail(*_: object) -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(site.intake._admission, "register", fail)
    with pytest.raises(LedgerUnavailable):
        site.intake.admit(_received(site, header()))
    assert site.half_received == []
    assert site.waker.tasks == []
