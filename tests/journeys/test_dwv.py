"""The reports in a second family of viewers: dwv, which nobody here wrote, reads each object and draws the pictures."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from tests.dwv import viewer
from tests.journeys.test_viewer import CONTENT, STUDY, pixels, reports
from tests.phantoms import encoded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_PRELIMINARY, _STUDY = "0040A496", "0020000D"


@pytest.fixture(scope="module")
def seen(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Give what dwv says of the radiograph and of each report, with the picture of it."""
    tools = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none")).resolve()
    if not (tools / "dwv" / "dwv" / "dist" / "dwv.min.js").is_file():
        reason = "AUSCULT_TEST_VIEWER names no folder with dwv, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    built = {kind.value: content for kind, content in zip(IMAGE_KINDS, reports(STUDY, CONTENT), strict=True)}
    objects = {"radiograph": encoded(STUDY), **built}
    pictures = {name: tmp_path_factory.mktemp("dwv") / "picture.png" for name in objects}
    with viewer(tools / "dwv", objects) as address:
        wanted = [part for name in objects for part in (f"{address}#{name}", str(pictures[name]))]
        result = subprocess.run(
            [program("node"), str(Path(__file__).with_name("dwv.cjs")), *wanted],
            env={**os.environ, "CHROMIUM": program("chromium"), "PLAYWRIGHT_CORE": str(tools / "playwright-core")},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    told = zip(objects, json.loads(result.stdout), strict=True)
    return {name: {**page, "picture": pictures[name]} for name, page in told}


def test_dwv_reads_each_object_without_an_error(seen: dict[str, dict[str, Any]]) -> None:
    assert [(page["errors"], page["thrown"]) for page in seen.values()] == [([], [])] * 4
    assert {page["tags"][_STUDY] for page in seen.values()} == {str(STUDY.StudyInstanceUID)}
    flags = [page["tags"][_PRELIMINARY] for page in seen.values() if _PRELIMINARY in page["tags"]]
    assert flags == ["PRELIMINARY"] * 2


def test_dwv_draws_radiograph_and_heat_map(seen: dict[str, dict[str, Any]]) -> None:
    drawn = {name for name, page in seen.items() if page.get("rendered")}
    assert drawn == {"radiograph", ReportKind.SECONDARY_CAPTURE.value}
    # The map's amber, over a place large enough to be the map and not a label; none in the radiograph.
    amber: Callable[..., Any] = lambda red, green, blue: (red > 100) & (red - blue > 60)  # noqa: E731
    assert pixels(seen[ReportKind.SECONDARY_CAPTURE.value]["picture"], amber) > 5000
    assert pixels(seen["radiograph"]["picture"], amber) == 0
