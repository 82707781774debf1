"""Of a flood of warnings a few are written, and the others counted."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.process import sparingly
from service.process.sparingly import Sparing


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=100))
def test_however_many_warnings_come_each_is_written_or_counted(said: list[tuple[str, int]]) -> None:
    log = logging.getLogger("flood")
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "warning", lambda text, *values: written.append(text % values))
        warnings = Sparing(log)
        for address, number in said:
            warnings.warn(address, f"{address} {number}")
        patch.setattr(sparingly, "_WINDOW_S", -1.0)
        warnings.turn()
    counted = [int(match[1]) for line in written if (match := re.match(r"(\d+) more warnings", line))]
    assert len(written) - len(counted) + sum(counted) == len(said)
    assert len(written) <= 3 * (10 + 1)


def test_what_was_counted_is_written_once_its_minute_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = Sparing(logging.getLogger("flood"))
    for _ in range(5):
        warnings.warn("192.0.2.1", "it is too slow")
    warnings.turn()
    assert caplog.messages == ["it is too slow"]
    monkeypatch.setattr(sparingly, "_WINDOW_S", -1.0)
    warnings.turn()
    assert "4 more warnings about 192.0.2.1" in caplog.messages[1]
