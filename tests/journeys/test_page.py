"""The page as people use it: axe-core finds nothing in Chromium, and nothing lies beside a telephone's screen."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.vocabulary.facts import Opinion
from service.vocabulary.language import Language
from service.vocabulary.roles import Role
from tests.service.sample_site import busy_morning
from tests.service.web.test_server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=Language)
def seen(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Give what the browser says of list, study and problem, each in two widths and two colour schemes."""
    tools = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none")).resolve()
    if not (tools / "axe-core" / "axe.min.js").is_file():
        reason = "AUSCULT_TEST_VIEWER names no folder with axe-core, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    environment = {
        "CHROMIUM": program("chromium"),
        "PLAYWRIGHT_CORE": str(tools / "playwright-core"),
        "AXE_CORE": str(tools / "axe-core"),
    }
    site = busy_morning(tmp_path_factory.mktemp("site"))
    web = site.settings.web.model_copy(update={"roles_without_login": tuple(Role)})
    site.settings = site.settings.model_copy(update={"language": request.param, "web": web})
    held = next(iter(site.ledger.inspection.status().held_studies))
    site.ledger.figures.flush()
    study = site.ledger.reading_list.page(1).studies[0]
    first, image = study.study_instance_uid, study.instances[0]
    site.ledger.feedback.give(image.sop_instance_uid, image.version, Opinion.DISAGREE, comment="skin fold", by="lam")
    with serving(site) as address:
        pages = [
            address,
            *(
                f"{address}{path}"
                for path in (
                    *(f"studies/{held}", f"studies/{first}", "?show=late"),
                    *("machines", "turnaround", "nowhere", "agreement", "administration"),
                )
            ),
        ]
        script = str(Path(__file__).with_name("page.cjs"))
        result = subprocess.run(
            [program("node"), script, str(tmp_path_factory.mktemp(f"pictures-{request.param}")), *pages],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    site.close()
    assert result.returncode == 0, result.stderr
    looks: list[dict[str, Any]] = json.loads(result.stdout)
    assert len(looks) == 2 * 2 * len(pages)
    return looks


def test_the_pages_own_script_keeps_the_list_live(seen: list[dict[str, Any]]) -> None:
    """The policy of the page lets it run, and the server's events reach it."""
    lists = [look for look in seen if look["address"].endswith(("/", "show=late"))]
    assert [look["live"] for look in lists] == [True] * 8


def test_axe_core_finds_no_violation(seen: list[dict[str, Any]]) -> None:
    assert {violation for look in seen for violation in look["violations"]} == set()


def test_nothing_lies_beside_the_screen(seen: list[dict[str, Any]]) -> None:
    assert [look for look in seen if look["beyond"]] == []
