"""The viewer of a study's page in Chromium: each tool by key and by mouse, under the page's own policy."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.dicom.pixels import decode
from tests.service.sample_site import SampleSite
from tests.service.web.test_server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SIDE = 400


@pytest.fixture(scope="module")
def worked(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give what a browser shows after each step, and the image's display values."""
    tools = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none")).resolve()
    if not (tools / "playwright-core").is_dir():
        reason = "AUSCULT_TEST_VIEWER names no folder with playwright-core, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    site = SampleSite(tmp_path_factory.mktemp("viewer"))
    dataset = site.receive(rows=SIDE, columns=SIDE)
    site.infer(0.9)
    with serving(site) as address:
        result = subprocess.run(
            [
                program("node"),
                str(Path(__file__).with_name("viewer.cjs")),
                f"{address}studies/{dataset.StudyInstanceUID}",
            ],
            env={
                **os.environ,
                "CHROMIUM": program("chromium"),
                "PLAYWRIGHT_CORE": str(tools / "playwright-core"),
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    site.close()
    assert result.returncode == 0, result.stderr
    return {**json.loads(result.stdout), "display": decode(dataset).display()}


def level(worked: dict[str, Any], step: str) -> np.ndarray:
    return np.array(worked["steps"][step]["row"], dtype=float)


def told(worked: dict[str, Any], step: str) -> str:
    return str(worked["steps"][step]["told"])


def test_the_pages_policy_lets_the_viewer_run_without_an_error(worked: dict[str, Any]) -> None:
    assert worked["errors"] == []


def test_it_shows_at_first_what_the_modality_wants_shown(worked: dict[str, Any]) -> None:
    row = worked["display"][SIDE // 2] * 255
    shown = level(worked, "first")
    places = (np.arange(len(shown)) + 0.5) * SIDE / len(shown) - 0.5
    wanted = np.interp(places, np.arange(SIDE), row)

    assert np.abs(shown - wanted[:, None]).mean() < 4  # the screen has more pixels than the image
    assert told(worked, "first").endswith("zoom 100 %.")


def test_window_and_level_change_by_key_and_by_dragging(worked: dict[str, Any]) -> None:
    assert len({told(worked, step) for step in ("first", "wider", "brighter", "dragged")}) == 4
    assert level(worked, "brighter").mean() > level(worked, "wider").mean()
    assert np.ptp(level(worked, "dragged")) < np.ptp(level(worked, "first"))


def test_it_zooms_and_moves(worked: dict[str, Any]) -> None:
    assert told(worked, "closer").endswith("zoom 125 %.")
    assert not told(worked, "wheeled").endswith("zoom 100 %.")
    assert np.abs(level(worked, "moved") - level(worked, "closer")).max() > 5


def test_an_inverted_image_is_the_negative_and_reset_undoes_everything(worked: dict[str, Any]) -> None:
    first = level(worked, "first")
    assert np.abs(level(worked, "inverted") + first - 255).max() <= 2
    assert np.array_equal(level(worked, "reset"), first)
    assert np.array_equal(level(worked, "restored"), first)


def test_the_heat_map_lies_over_it_only_when_it_is_asked_for(worked: dict[str, Any]) -> None:
    first, mapped = level(worked, "first"), level(worked, "mapped")
    assert np.array_equal(first[:, 0], first[:, 2])
    assert np.abs(mapped[:, 0] - mapped[:, 2]).max() > 10
    assert np.array_equal(level(worked, "unmapped"), first)
