"""A store that is away while many images wait: few are tried at a time, and none waits for one that cannot be read."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from service.objects import LocalStore
from service.vocabulary.errors import StoreUnavailable
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination, network
from worker.report_building import ReportBuilding

BACKLOG = 8
#: Fewer than the shortest pause: of 15 seconds, jitter may take a half.
SECONDS = 7


def _backlog(gateway: Any) -> Gateway:
    made: Gateway = gateway(destination(), analysis={"batch_size": 2})
    for seed in range(BACKLOG):
        made.receive(chest(seed=seed))
    return made


def _states(made: Gateway) -> set[str]:
    return {row.state for row in made.instances}


def _building(made: Gateway) -> ReportBuilding:
    return ReportBuilding(made.settings, made.ledger, made.store, [network().checkpoint], "build-1", made.clock)


def _away(*_: object) -> NoReturn:
    raise StoreUnavailable("the store is away")


@pytest.mark.proves(Invariant.QUIET_WHILE_STORE_AWAY)
def test_while_the_store_is_away_few_images_of_a_backlog_are_tried(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _backlog(gateway)
    worker = made.inference()
    before = len(made.events)
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "read", _away)
        for _ in range(SECONDS):
            worker.run_until_idle()
            made.clock.turn(seconds=1)
    assert _states(made) == {"received"}
    assert len(made.events) - before <= 2 * 4, "at most two batches were claimed and given back"
    made.clock.turn(minutes=1)
    assert worker.run_until_idle() == BACKLOG
    worker.close()


@pytest.mark.proves(Invariant.QUIET_WHILE_STORE_AWAY)
def test_on_a_full_disk_few_reports_of_a_backlog_are_tried(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _backlog(gateway)
    made.infer()
    building = _building(made)
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "put", _away)
        for _ in range(SECONDS):
            building.run_until_idle()
            made.clock.turn(seconds=1)
    assert made.events.count("reports put off") == 4
    made.clock.turn(minutes=1)
    assert building.run_until_idle() == BACKLOG
    assert _states(made) == {"reported"}


def test_one_file_that_cannot_be_read_keeps_no_other_waiting(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _backlog(gateway)
    bad, read = made.instances[0].object_key, LocalStore.read

    def read_all_but_one(self: LocalStore, key: str) -> bytes:
        if key == bad:
            _away()
        return read(self, key)

    monkeypatch.setattr(LocalStore, "read", read_all_but_one)
    worker, building = made.inference(), _building(made)
    worker.run_until_idle()
    worker.close()
    building.run_until_idle()
    assert [row.state for row in made.instances] == ["received"] + ["reported"] * (BACKLOG - 1)


@pytest.mark.proves(Invariant.QUIET_WHILE_STORE_AWAY)
def test_files_that_cannot_be_read_let_others_go_first_after_a_lull(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _backlog(gateway)
    bad, read = {row.object_key for row in made.instances[:3]}, LocalStore.read

    def read_some(self: LocalStore, key: str) -> bytes:
        if key in bad:
            _away()
        return read(self, key)

    monkeypatch.setattr(LocalStore, "read", read_some)
    worker = made.inference()
    for _ in range(3):
        worker.run_until_idle()
        made.clock.turn(seconds=20)
    worker.close()
    assert [row.state for row in made.instances] == ["received"] * 3 + ["inferred"] * (BACKLOG - 3)
