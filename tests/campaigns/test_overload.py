"""The overload, bounded; `make overload` runs it for minutes."""

from pathlib import Path

import pytest

from tests.campaigns import overload


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_four_times_the_sustainable_rate_hangs_nothing_and_drains_the_urgent_first(tmp_path: Path) -> None:
    outcome = overload.run(15.0, tmp_path)
    print(outcome.text())  # noqa: T201 - what `pytest -rP` shows
    assert outcome.wrong == []
    assert outcome.backlog > 0, "it was no overload"
