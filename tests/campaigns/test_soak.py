"""The soak, bounded; `make soak` runs it for as long as one likes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaigns import soak
from tests.invariants import Invariant

#: AUSCULT_SOAK_SECONDS asks for more.
SECONDS = float(os.environ.get("AUSCULT_SOAK_SECONDS", "60"))


@pytest.mark.proves(Invariant.NOTHING_GROWS_WITH_TIME)
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 400)
def test_nothing_grows_at_a_steady_rate_under_health_checks(program: Callable[[str], str], tmp_path: Path) -> None:
    program("dcmsend")
    outcome = soak.run(SECONDS, 0.5, tmp_path)
    print(outcome.text())  # noqa: T201 - what `pytest -rP` shows
    assert outcome.wrong == []
