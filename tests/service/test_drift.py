"""Drift: control charts that hold their stated rate of false alarms, and find a machine that is read wrongly."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.drift.control_chart import Chart, average_run_length, cautious, chart_for, walk
from service.drift.reference import chart_of, looks, of_card, of_site
from service.drift.watch import Watch
from service.ledger.checkpoints import InUse
from service.ledger.drift import CardFigures, DriftGroup, Observation
from service.settings import DriftSettings
from service.vocabulary.acquisition import Acquisition, KvpBand, Machine
from service.vocabulary.drift import Characteristic, ReferenceKind
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome
from service.vocabulary.states import Priority
from tests.service.sample_site import SampleSite, prediction

#: As the settings have it by default: of each of a machine's charts.
BETWEEN = 5000.0 * len(Characteristic)
PATIENCE = 50


def runs(charts: Sequence[Chart], share: float, images: int, seed: int) -> np.ndarray:
    """Return after how many images each machine's chart first alarms; `images` where it does not."""
    up, down, limit = (np.array([getattr(chart, name) for chart in charts]) for name in ("up", "down", "limit"))
    random = np.random.default_rng(seed)
    sums, first = np.zeros(len(charts), int), np.full(len(charts), images)
    for place in range(images):
        has = random.random(len(charts)) < share
        sums = np.where(has, sums + up, np.maximum(sums - down, 0))
        first = np.where((sums >= limit) & (first == images), place, first)
    return first


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_the_stated_run_length_is_that_of_a_simulation(share: float) -> None:
    chart = chart_for(share, 500.0)
    simulated = runs([chart] * 3000, share, 6000, seed=1).mean()
    assert simulated == pytest.approx(average_run_length(share, chart.up, chart.down, chart.limit), rel=0.08)
    assert simulated >= 0.92 * 500


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_limit_holds_the_rate_of_false_alarms_and_no_lower_one_does(share: float) -> None:
    chart = chart_for(cautious(share), BETWEEN)
    assert average_run_length(chart.share, chart.up, chart.down, chart.limit) >= BETWEEN
    assert average_run_length(chart.share, chart.up, chart.down, chart.limit - 1) < BETWEEN


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_the_rate_holds_too_where_the_reference_is_only_two_hundred_images(share: float) -> None:
    """Each machine has its own reference, whose share is off by chance; together they hold what is stated."""
    random, images, machines = np.random.default_rng(2), 1000, 400
    charts: list[Chart] = []
    for _ in range(machines):
        window = observations(random, 200, share, 0)
        reference = of_site(window)
        look = looks(reference)[Characteristic.MORE_POSITIVE]
        charts.append(chart_of(Characteristic.MORE_POSITIVE, look, reference, window, BETWEEN))
    alarms = int((runs(charts, share, images, seed=1000) < images).sum())
    # The chance of an alarm among so many images, at a rate of one in BETWEEN; a little more by chance.
    assert alarms / machines <= images / BETWEEN + 0.02


def observations(random: np.random.Generator, count: int, share: float, first: int) -> list[Observation]:
    """Return images of which a share is called positive, as a site's are."""
    now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    return [
        Observation(
            instance_id=first + number,
            received_at=now + timedelta(minutes=first + number),
            outcome=Outcome.POSITIVE if positive else Outcome.NEGATIVE,
            p_pneumonia=0.9 + 0.1 * random.random() if positive else 0.2 * random.random(),
            distance=random.normal(1.0, 0.2),
        )
        for number, positive in enumerate(random.random(count) < share)
    ]


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.05, 0.3, 0.8]))
def test_a_chart_stays_between_nothing_and_its_limit_and_an_alarm_ends_at_nothing(
    images: Sequence[bool], share: float
) -> None:
    chart = chart_for(share, 100.0)
    path = walk(chart, images)
    assert len(path.sums) == len(images)
    assert all(0 <= total <= chart.limit for total in path.sums)
    if path.alarm_at is None:
        assert not path.sums or max(path.sums[last_zero(path.sums) :], default=0) < chart.limit
    else:
        assert path.sums[path.alarm_at] == chart.limit
        assert 0 not in path.sums[path.alarm_at :]


def last_zero(sums: Sequence[int]) -> int:
    return max((place for place, total in enumerate(sums) if total == 0), default=0)


def detection(window: Sequence[Observation], after: Sequence[Observation]) -> int | None:
    """Return at which image after the reference the first of all charts alarms."""
    reference, found = of_site(window), []
    for characteristic, look in looks(reference).items():
        chart = chart_of(characteristic, look, reference, window, BETWEEN)
        seen = [(place, has) for place, image in enumerate(after) if (has := look(image)) is not None]
        path = walk(chart, (has for _, has in seen))
        if path.alarm_at is not None:
            found.append(seen[path.alarm_at][0] + 1)
    return min(found, default=None)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_normals_called_positive_are_found_within_fifty_images(share: float) -> None:
    """In 95 of 100 machines, at whatever share of pneumonia a site has."""
    random, found = np.random.default_rng(3), []
    for _ in range(60):
        window = observations(random, 200, share, 0)
        found.append(detection(window, observations(random, 100, 0.98, 200)) or 1000)
    assert np.quantile(found, 0.95) <= PATIENCE


ROOM = Acquisition(Machine("Agfa", "DX-D 300", "ROOM1", ""), "PA", 110.0)


def send(
    site: SampleSite, p_pneumonia: float, distance: float = 1.0, acquisition: Acquisition = ROOM, checkpoint: str = ""
) -> None:
    """Receive and analyse an image of a machine."""
    site.now += timedelta(minutes=1)
    site.receive(acquisition=acquisition, rows=8, columns=8)
    claim = site.claim()
    result = prediction(p_pneumonia)
    if checkpoint:
        result = replace(result, checkpoint_digest=checkpoint, checkpoint_name="child-net", checkpoint_version="2.0")
    site.ledger.results.save_prediction(
        claim, result, pixel_digest=claim.object_key, flags=(), priority=Priority.ROUTINE, distance=distance
    )


def keep_out(site: SampleSite, checkpoint: str | None) -> None:
    """Let an image arrive that is unlike the training images of that checkpoint."""
    site.receive(acquisition=ROOM, rows=8, columns=8)
    claim, reason = site.claim(), Reason.UNLIKE_TRAINING
    site.ledger.results.save_out_of_scope(
        claim,
        reason,
        is_chest=True,
        pixel_digest=claim.object_key,
        flags=(),
        distance=3.0,
        checkpoint_digest=checkpoint,
    )


SETTINGS = DriftSettings(reference_images=50, images_between_false_alarms=1000)


def test_a_machine_is_compared_with_its_own_first_images_and_an_alarm_stands_in_the_ledger(site: SampleSite) -> None:
    watch = Watch(SETTINGS, site.ledger.drift)
    for number in range(60):
        send(site, 0.9 if number % 4 == 0 else 0.1 + 0.001 * number)
    watch.once()
    assert site.ledger.drift.alarms() == []
    (watched,) = watch.machines()
    assert (watched.reference.kind, watched.reference.images) == (ReferenceKind.SITE, 50)
    assert watched.latest is not None
    assert watched.latest.images == 10

    for _ in range(30):
        send(site, 0.95)
    watch.once()
    alarms = site.ledger.drift.alarms()
    assert Characteristic.MORE_POSITIVE in {alarm.characteristic for alarm in alarms}
    assert {alarm.machine for alarm in alarms} == {"DX-D 300 ROOM1"}
    assert site.ledger.inspection.status().drifting == tuple(alarms)
    since = {alarm.characteristic: alarm.since for alarm in alarms}
    watch.once()
    assert {alarm.characteristic: alarm.since for alarm in site.ledger.drift.alarms()} == since

    for _ in range(60):
        send(site, 0.1)
    watch.once()
    assert Characteristic.MORE_POSITIVE not in {alarm.characteristic for alarm in site.ledger.drift.alarms()}


def test_a_new_machine_that_calls_all_positive_is_found_by_the_card(site: SampleSite) -> None:
    digest = prediction(0.5).checkpoint_digest
    site.ledger.drift.keep_card(digest, {"balanced": {"sensitivity": 0.958, "alarmed": 0.014, "indeterminate": 0.02}})
    watch = Watch(DriftSettings(), site.ledger.drift)
    for _ in range(PATIENCE):
        send(site, 0.95)
    watch.once()
    assert [alarm.characteristic for alarm in site.ledger.drift.alarms()] == [Characteristic.MORE_POSITIVE]
    (watched,) = watch.machines()
    assert watched.reference.kind is ReferenceKind.CARD


def test_images_without_a_result_and_far_from_training_are_watched_too(site: SampleSite) -> None:
    for number in range(50):
        send(site, 0.1 + 0.001 * number, distance=1.0 + 0.001 * number)
    watch = Watch(SETTINGS, site.ledger.drift)
    for _ in range(40):
        site.now += timedelta(minutes=1)
        keep_out(site, prediction(0.5).checkpoint_digest)
    watch.once()
    found = {alarm.characteristic for alarm in site.ledger.drift.alarms()}
    assert found == {Characteristic.GREATER_DISTANCE, Characteristic.MORE_ABSTENTIONS}


def test_another_checkpoint_begins_anew(site: SampleSite) -> None:
    for _ in range(50):
        send(site, 0.1)
    assert Watch(SETTINGS, site.ledger.drift).machines()[0].reference.images == 50
    assert Watch(DriftSettings(), site.ledger.drift).machines()[0].reference.kind is ReferenceKind.CARD
    [in_use] = site.ledger.drift.in_use()
    other = replace(in_use, checkpoint_digest="other", since=site.now + timedelta(seconds=1))
    assert site.ledger.drift.first(DriftGroup(1, "PA", KvpBand.HIGH), other, 100) == []


def test_each_of_two_checkpoints_is_charted_by_itself_with_its_own_card(site: SampleSite) -> None:
    """All is called positive by both: the one says so of nearly all images by its card, the other does not."""
    first, second = prediction(0.5).checkpoint_digest, "ef56" * 16
    for digest, alarmed in ((first, 0.014), (second, 0.9)):
        point = {"sensitivity": 0.958, "alarmed": alarmed, "indeterminate": 0.02}
        site.ledger.drift.keep_card(digest, {"balanced": point})
    watch = Watch(SETTINGS, site.ledger.drift)
    for _ in range(30):
        send(site, 0.95)
        send(site, 0.95, checkpoint=second)
    for judge in (second, None):  # one that the second finds unlike its training images, and one that none looked at
        keep_out(site, judge)
    watch.once()
    assert {one.checkpoint: one.latest and one.latest.images for one in watch.machines()} == {
        "child-net 2.0": 32,
        "chest-resnet50 1.0.0": 31,
    }
    [alarm] = site.ledger.drift.alarms()
    assert (alarm.checkpoint, alarm.characteristic) == ("chest-resnet50 1.0.0", Characteristic.MORE_POSITIVE)

    site.now += timedelta(days=8)
    send(site, 0.95, checkpoint=second)
    watch.once()
    assert site.ledger.drift.alarms() == [], "one that gives no results is not in use any more"


def test_each_band_of_tube_voltage_is_watched_apart(site: SampleSite) -> None:
    child = replace(ROOM, kvp=66.0)
    for number in range(60):
        send(site, 0.1 + 0.001 * number)
        send(site, 0.1 + 0.001 * number, acquisition=child)
    for _ in range(30):
        send(site, 0.95, acquisition=child)
    watch = Watch(SETTINGS, site.ledger.drift)
    watch.once()
    assert {one.kvp_band: one.latest and one.latest.images for one in watch.machines()} == {
        KvpBand.HIGH: 10,
        KvpBand.LOW: 40,
    }
    alarms = site.ledger.drift.alarms()
    assert {alarm.kvp_band for alarm in alarms} == {KvpBand.LOW}
    watch.once()
    assert [alarm.since for alarm in site.ledger.drift.alarms()] == [alarm.since for alarm in alarms]


def told(low: float, high: float) -> dict[str, list[float]]:
    """Return the quantiles of what lies evenly between two numbers."""
    return {"p_pneumonia": list(np.linspace(low, high, 21)), "distance": list(np.linspace(10 * low, 10 * high, 21))}


@pytest.mark.parametrize("sick", [0.1, 0.3, 0.7])
def test_a_card_s_quantiles_are_those_of_a_simulated_mixture_at_the_site_s_prevalence(sick: float) -> None:
    random = np.random.default_rng(5)
    card = CardFigures(None, {"normal": told(0.0, 0.6), "pneumonia": told(0.4, 1.0)})
    reference = of_card(card, InUse("a", "balanced", sick, None, datetime.now(UTC), "net 1"))
    is_sick = random.random(200_000) < sick
    balanced = np.where(is_sick, random.uniform(0.4, 1.0, 200_000), random.uniform(0.0, 0.6, 200_000))
    shifted = balanced * sick / (balanced * sick + (1 - balanced) * (1 - sick))
    assert reference.probability == pytest.approx(np.median(shifted), abs=0.01)
    assert reference.distance == pytest.approx(np.quantile(10 * balanced, 0.9), abs=0.1)
    calibrated = of_card(card, InUse("a", "balanced", sick, "its digest", datetime.now(UTC), "net 1"))
    assert calibrated.probability is None, "a site's own calibration gives other probabilities"


def test_a_new_machine_far_from_training_is_found_by_the_card_s_distances(site: SampleSite) -> None:
    digest = prediction(0.5).checkpoint_digest
    told_of = {"normal": told(0.0, 0.1), "pneumonia": told(0.9, 1.0)}
    site.ledger.drift.keep_card(digest, {}, told_of)
    for number in range(40):
        send(site, 0.001 + 0.95 * (number % 3 == 0), distance=20.0)
    Watch(DriftSettings(), site.ledger.drift).once()
    assert [alarm.characteristic for alarm in site.ledger.drift.alarms()] == [Characteristic.GREATER_DISTANCE]
