"""Alarms: what a person is told, and while it can still be mended."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from service.alarms import alarms
from service.ledger import ArrivalKind
from service.settings import TurnaroundSettings
from service.vocabulary.facts import CloseSource, PrioritySource
from service.vocabulary.states import DeliveryState, Priority
from tests.service.sample_site import ENGLISH, LEASE, SampleSite


def _told(site: SampleSite) -> list[str]:
    return [alarm.text for alarm in alarms(ENGLISH, site.ledger.inspection.status(), site.now)]


def test_a_destination_that_is_away_is_told_of_while_it_is_tried_and_not_once_it_has_taken_all(tmp_path: Path) -> None:
    site = SampleSite(tmp_path)
    site.receive()
    site.infer(0.97)
    site.report("pacs", "archive")
    site.deliver("archive")
    for attempt in range(3):
        assert bool(_told(site)) is (attempt >= 2), "one failure is no alarm"
        for due in site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 100, LEASE):
            site.ledger.outbox.save_retry(due, site.now + timedelta(minutes=1), None, "no connection")
        site.now += timedelta(minutes=1)
    (told,) = _told(site)
    assert told.startswith("pacs does not take what it is sent: 2 reports or messages are tried again")
    assert "3 min" in told
    assert set(site.ledger.inspection.status().untaken) == {"pacs"}
    site.deliver("pacs")
    assert _told(site) == []
    site.close()


def test_an_urgent_study_that_nobody_reads_is_told_of_from_its_target_on_until_it_is_read(tmp_path: Path) -> None:
    site, targets = SampleSite(tmp_path), TurnaroundSettings().unread_targets
    site.receive()
    site.infer(0.1)
    positive = site.receive()
    site.infer(0.97)
    site.receive(kind=ArrivalKind.OWN, order=Priority.STAT, source=PrioritySource.C_STORE)

    def told(later: timedelta, targets: Mapping[Priority, timedelta]) -> list[str]:
        status = site.ledger.inspection.status()
        found = alarms(ENGLISH, status, site.now + later, unread_targets=targets)
        return [alarm.text for alarm in found if alarm.remedy == "auscult worklist"]

    assert set(site.ledger.inspection.status().oldest_unread_since) == {Priority.URGENT}
    assert told(targets[Priority.URGENT], targets) == []
    (text,) = told(timedelta(hours=5), targets)
    assert (
        text == "A study of priority URGENT that arrived 5 h 00 min ago is still to be read; the target is 4 h 00 min."
    )
    assert told(timedelta(hours=5), TurnaroundSettings(unread_within={}).unread_targets) == []
    site.ledger.readings.close(str(positive.StudyInstanceUID), CloseSource.COMMAND)
    assert told(timedelta(hours=5), targets) == []
    site.close()
