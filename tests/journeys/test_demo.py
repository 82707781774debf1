"""`auscult demo`, as a newcomer starts it: every study comes back, and the order of reading is not that of sending."""

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LINE = re.compile(r"^│ +(\d+) │ +(\d+) │ (\w[\w ]+?) +│ (\w+)", re.MULTILINE)


def test_the_demo_shows_results_of_several_kinds_in_an_order_that_a_result_has_changed() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "service.cli", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "demo: 12 sent, 12 acknowledged, 8 reported, 4 out of scope, 0 failed" in result.stdout
    rows = LINE.findall(result.stdout)
    assert [int(read) for read, *_ in rows] == list(range(1, 13))
    assert [int(sent) for _, sent, *_ in rows] != list(range(1, 13))
    first = {said for *_, said in rows}
    assert {"PNEUMONIA", "NOT"} < first
    assert max(map(len, result.stdout.splitlines())) <= 80
