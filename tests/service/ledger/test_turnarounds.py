"""How long things took, by source and by hour."""

from datetime import timedelta

import pytest

from service.alarms import alarms
from service.ledger import Ledger
from service.ledger.database import connect
from service.settings import TurnaroundSettings
from service.vocabulary.facts import CloseSource
from service.vocabulary.figures import TO_CONFIRMED, TO_FLAG, TO_READ
from tests.service.ledger.test_figures import url  # noqa: F401
from tests.service.sample_site import ENGLISH, SampleSite

DAY = timedelta(days=1)
TARGETS = TurnaroundSettings().targets


def arrive(site: SampleSite, waited: timedelta) -> str:
    """Let an image come, and its result so much later."""
    dataset = site.receive(rows=16, columns=16)
    site.now += waited
    site.infer(0.9)
    return str(dataset.StudyInstanceUID)


def test_each_way_from_receipt_to_reading_is_kept_with_who_sent_the_image(site: SampleSite) -> None:
    uid = arrive(site, timedelta(seconds=20))
    site.report("pacs")
    site.now += timedelta(seconds=40)
    site.deliver("pacs")
    site.now += timedelta(minutes=10)
    site.ledger.readings.close(uid, CloseSource.COMMAND)
    site.ledger.figures.flush()

    (found,) = site.ledger.turnarounds.by_source(DAY).values()
    took = {figure: turnaround.median.total_seconds() for figure, turnaround in found.items()}
    assert took[TO_FLAG.name] == pytest.approx(20, rel=0.05)
    assert took[TO_CONFIRMED.name] == pytest.approx(60, rel=0.05)
    assert took[TO_READ.name] == pytest.approx(640, rel=0.05)
    assert found[TO_FLAG.name].count == found[TO_READ.name].count == 1


def test_hours_stand_apart_newest_first_and_go_when_they_are_old(site: SampleSite) -> None:
    for _ in range(3):
        arrive(site, timedelta(seconds=20))
        site.now += timedelta(hours=1)
    site.ledger.figures.flush()

    hours = list(site.ledger.turnarounds.by_hour(DAY))
    assert len(hours) == 3
    assert hours == sorted(hours, reverse=True)
    assert list(site.ledger.turnarounds.by_hour(DAY, source="NOBODY")) == []
    site.ledger.turnarounds.forget(timedelta(hours=2, minutes=30))
    assert list(site.ledger.turnarounds.by_hour(DAY)) == [
        hour for hour in hours if hour >= site.now - timedelta(hours=2, minutes=30)
    ]


def test_processes_that_count_at_once_add_up_on_each_database(url: str) -> None:  # noqa: F811
    first, second = Ledger(connect(url)), Ledger(connect(url))
    for ledger in (first, second, second):
        ledger.figures.tally.turn(TO_FLAG, timedelta(seconds=5), "CT1", first.turnarounds._clock())
        ledger.figures.flush()
    found = first.turnarounds.by_source(DAY)
    for ledger in (first, second):
        ledger.engine.dispose()

    assert found["CT1"][TO_FLAG.name].count == 3


def test_a_source_above_its_target_raises_an_alarm_until_it_is_in_time_again(site: SampleSite) -> None:
    for _ in range(4):
        arrive(site, timedelta(minutes=7))
    site.ledger.figures.flush()

    assert site.ledger.turnarounds.late(TARGETS, least=5) == []
    (late,) = site.ledger.turnarounds.late(TARGETS, least=4)
    alarm = alarms(ENGLISH, site.ledger.inspection.status(), site.now, [late])[-1]
    assert "the target is 5 min" in alarm.text
    assert late.source in alarm.text
    site.now += timedelta(hours=3)
    assert site.ledger.turnarounds.late(TARGETS, least=4) == []
