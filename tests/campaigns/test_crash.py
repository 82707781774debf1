"""The crash campaign, bounded; `make crash` runs it at length."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaigns.crash import Plan, run
from tests.campaigns.site import ON_ONE_MACHINE, Engine
from tests.invariants import Invariant


def assert_nothing_is_wrong(plan: Plan, folder: Path) -> None:
    outcome = run(plan, folder)
    print(outcome.text())  # noqa: T201 - what `pytest -rP` shows
    assert outcome.wrong == []


@pytest.mark.proves(Invariant.ANY_FAULT_IN_ANY_ORDER)
def test_a_few_kills_lose_no_image_and_double_no_report(program: Callable[[str], str], tmp_path: Path) -> None:
    program("dcmsend")
    plan = Plan(Engine.EMBEDDED, images=10, faults=3, pause_s=0.7, seed=3, workers=1, archive=False)
    assert_nothing_is_wrong(plan, tmp_path)


@pytest.mark.proves(Invariant.ANY_FAULT_IN_ANY_ORDER)
@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.parametrize("engine", ON_ONE_MACHINE)
def test_a_storm_of_faults_loses_no_image_and_doubles_no_report(
    program: Callable[[str], str], tmp_path: Path, engine: Engine
) -> None:
    for name in ("dcmsend", "Orthanc", *(("redis-server", "postgres", "initdb") if engine is Engine.CELERY else ())):
        program(name)
    assert_nothing_is_wrong(Plan(engine, images=30, faults=30, pause_s=0.6), tmp_path)
