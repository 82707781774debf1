"""Two transactions about one study at the same moment, on PostgreSQL: one is kept open while the other comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import Engine, event

from service.ledger import SentObject
from service.ledger.records import EventRecord
from service.vocabulary.facts import EventKind, Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import DeliveryState, Priority, State
from tests.invariants import Invariant
from tests.service.sample_site import LEASE, SampleSite, prediction

STUDY = "1.2.3.4"


@pytest.fixture
def site(tmp_path: Path, postgres_url: str) -> Iterator[SampleSite]:
    """Give an empty site on PostgreSQL."""
    site = SampleSite(tmp_path / "data", postgres_url)
    yield site
    site.close()


class Kept:
    """Keeps the first transaction open that writes a line of the history, until it is let go."""

    def __init__(self, kind: EventKind) -> None:
        self.is_open, self.let_go = threading.Event(), threading.Event()
        self._kind = kind
        event.listen(Engine, "after_cursor_execute", self._wait)

    def _wait(self, _connection: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        written = statement.startswith(f"INSERT INTO {EventRecord.__tablename__} ") and repr(self._kind.value) in repr(
            values
        )
        if written and not self.is_open.is_set():
            self.is_open.set()
            assert self.let_go.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        event.remove(Engine, "after_cursor_execute", self._wait)


def while_open(kind: EventKind, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Begin `second` while the transaction of `first` has written its line and is not committed; end both."""
    with ThreadPoolExecutor(2) as pool, Kept(kind) as kept:
        work: list[Future[object]] = [pool.submit(first)]
        assert kept.is_open.wait(20)
        work.append(pool.submit(second))
        # Long enough for a second transaction that does not wait to be committed before the first.
        threading.Event().wait(0.3)
        kept.let_go.set()
        for each in work:
            each.result(20)


def test_two_images_of_a_study_that_settle_at_once_have_numbers_of_their_own(site: SampleSite) -> None:
    """A number in a series of reports names one report."""
    results = site.ledger.results
    site.receive(study_instance_uid=STUDY)
    site.receive(study_instance_uid=STUDY)
    claims = site.ledger.analysis.claim("worker", 2, LEASE, 3)
    numbers: list[int] = []

    def settle(index: int) -> Callable[[], None]:
        def work() -> None:
            results.save_prediction(
                claims[index], prediction(0.1), pixel_digest="00" * 32, flags=(), priority=Priority.ROUTINE
            )
            # At once, before the other transaction may have ended.
            numbers.extend(due.number for due in site.ledger.reporting.claim(f"builder {index}", 10, LEASE))

        return work

    while_open(EventKind.INFERRED, settle(0), settle(1))
    assert sorted(numbers) == [1, 2]


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_an_image_whose_worker_died_is_given_up_while_a_document_of_its_study_is_settled(site: SampleSite) -> None:
    """Both write about all images of the study, which the one that is given up has left; the newest is locked first."""
    outbox, reporting = site.ledger.outbox, site.ledger.reporting
    first = site.receive(study_instance_uid=STUDY)
    site.infer(0.1)
    site.report()
    site.receive(study_instance_uid="1.2.3.5", sop_instance_uid=str(first.SOPInstanceUID))
    site.claim()
    site.receive(study_instance_uid=STUDY)
    site.infer(0.1)
    (due,) = reporting.claim("builder", 1, LEASE)
    document = site._report(due.sop_instance_uid, due.object_key, "study_text_sr", Outcome.NEGATIVE, ("pacs",))
    reporting.save(due, [document], study=reporting.study(due))
    (sent,) = outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    site.now += 2 * LEASE
    while_open(
        EventKind.SUPERSEDED,
        lambda: site.ledger.analysis.claim("worker 2", 1, LEASE, 1),
        lambda: outbox.save_sent([SentObject(sent, 0x0000)]),
    )
    history = site.ledger.inspection.history(STUDY)
    assert history is not None
    assert [row.state for row in history.versions] == [State.SUPERSEDED, State.REPORTED]


def test_images_of_different_patients_with_a_placeholder_for_an_accession_number_wait_for_nobody(
    site: SampleSite,
) -> None:
    """Devices write "0" where there is none."""
    site.receive()  # from here on the machine is known
    with ThreadPoolExecutor(2) as pool, Kept(EventKind.RECEIVED) as kept:
        first = pool.submit(partial(site.receive, accession_number="0", patient_id="P-1"))
        assert kept.is_open.wait(20)
        pool.submit(partial(site.receive, accession_number="0", patient_id="P-2")).result(20)
        kept.let_go.set()
        first.result(20)
    assert site.ledger.inspection.status().studies == 3


def test_a_retry_sends_nothing_of_a_version_that_is_superseded_in_that_moment(site: SampleSite) -> None:
    first = site.receive(study_instance_uid=STUDY)
    site.infer(0.1)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    site.receive(study_instance_uid=STUDY, sop_instance_uid=str(first.SOPInstanceUID))
    while_open(
        EventKind.SUPERSEDED,
        lambda: site.infer(0.9, superseding=Supersession.IMAGE_REPLACED),
        site.ledger.remedies.retry,
    )
    assert site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE) == []
