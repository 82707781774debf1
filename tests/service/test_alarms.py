"""Alarms: what a person is told, and while it can still be mended."""

from datetime import timedelta
from pathlib import Path

from service.alarms import alarms
from service.vocabulary.states import DeliveryState
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
