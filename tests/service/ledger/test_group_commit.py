"""Arrivals that wait for their turn to write are written together, each whole or not at all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select

from service.ledger import Arrival
from service.ledger.admission import Receipt, Registered
from service.ledger.database import reading, writing
from service.ledger.records import InstanceRecord
from service.objects import StoredObject
from service.vocabulary.errors import LedgerUnavailable, StoreUnavailable
from service.vocabulary.identity import Identity
from tests.servers import wait_until
from tests.service.dicom.raw_scu import CR, EXPLICIT
from tests.service.sample_site import SampleSite

IMAGES = 5


@pytest.fixture
def site(tmp_path: Path) -> SampleSite:
    return SampleSite(tmp_path / "data")


def _arrival(number: int) -> Arrival:
    identity = Identity(CR, f"2.25.{number}", "2.25.77", "2.25.78", "A", accession_number="X1")
    return Arrival(identity, EXPLICIT, StoredObject(f"{number:064x}", 1000), "CR_ROOM_1")


def _at_once(site: SampleSite, *holds: Callable[[str], bool]) -> list[Receipt | Exception]:
    """Register an image for each word on whether its bytes are there, all while another transaction writes."""
    admission = site.ledger.admission
    queue = admission._commits

    def register(number: int) -> Receipt | Exception:
        try:
            return admission.register(_arrival(number), holds[number])
        except (LedgerUnavailable, StoreUnavailable) as error:
            return error

    with ThreadPoolExecutor(len(holds)) as pool:
        with writing(site.engine):
            first = pool.submit(register, 0)
            wait_until(lambda: queue._is_writing, "the first waits for its turn", 10)
            others = [pool.submit(register, number) for number in range(1, len(holds))]
            wait_until(lambda: len(queue._queue) == len(others), "the others wait for the first", 10)
        return [job.result() for job in (first, *others)]


def _rows(site: SampleSite) -> list[str]:
    with reading(site.engine) as session:
        return list(session.scalars(select(InstanceRecord.object_key).order_by(InstanceRecord.object_key)))


def test_those_that_wait_for_one_commit_share_the_next(site: SampleSite) -> None:
    commits: list[object] = []
    event.listen(site.engine, "commit", commits.append)

    receipts = _at_once(site, *[lambda _: True] * IMAGES)

    assert [receipt.registered for receipt in receipts if isinstance(receipt, Receipt)] == [Registered.NEW] * IMAGES
    assert len(_rows(site)) == IMAGES
    assert len(commits) == 3, "the other transaction, the first, and all who waited for it"


def test_one_that_cannot_be_taken_keeps_no_other_out(site: SampleSite) -> None:
    receipts = _at_once(site, *[lambda _: True] * 2, lambda _: False, lambda _: True)

    assert [type(receipt) for receipt in receipts] == [Receipt, Receipt, StoreUnavailable, Receipt]
    assert _rows(site) == [f"{number:064x}" for number in (0, 1, 3)]


def test_all_are_told_of_a_database_that_takes_nothing(site: SampleSite) -> None:
    def fail(_key: str) -> bool:
        raise LedgerUnavailable

    receipts = _at_once(site, fail, fail, fail)

    assert [type(receipt) for receipt in receipts] == [LedgerUnavailable] * 3
    assert _rows(site) == []
    assert site.ledger.admission.register(_arrival(0)).registered is Registered.NEW
