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
from tests.service.sample_site import SampleSite, busy_morning
from tests.service.web.sign_in.test_oidc import page, provider
from tests.service.web.test_server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def browsed(program: Callable[[str], str], script: str, *arguments: str) -> Any:
    """Run a script that drives Chromium; return what it prints."""
    tools = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none")).resolve()
    if not (tools / "axe-core" / "axe.min.js").is_file():
        reason = "AUSCULT_TEST_VIEWER names no folder with axe-core, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    environment = {
        "CHROMIUM": program("chromium"),
        "PLAYWRIGHT_CORE": str(tools / "playwright-core"),
        "AXE_CORE": str(tools / "axe-core"),
    }
    result = subprocess.run(
        [program("node"), str(Path(__file__).with_name(script)), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module", params=Language)
def seen(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Give what the browser says of list, study and problem, each in two widths and two colour schemes."""
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
        pictures = str(tmp_path_factory.mktemp(f"pictures-{request.param}"))
        looks: list[dict[str, Any]] = browsed(program, "page.cjs", pictures, *pages)
    site.close()
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


def test_a_person_signs_in_at_the_hospital_s_provider_and_out_again(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """The provider is another site to the browser, whose cookies and policies hold; it opens what the person wanted."""
    site = SampleSite(tmp_path / "data")
    uid = site.receive(patient_name="Ames^Anna").StudyInstanceUID
    with provider(tmp_path) as port, page(site, f"http://localhost:{port}") as client:
        wanted = f"{client.base_url}studies/{uid}"
        seen = browsed(program, "sign_in.cjs", wanted, "1")
    site.close()
    assert seen["asked"].startswith(f"{client.base_url}sign-in?back=")
    assert seen["provider"].startswith(f"http://localhost:{port}/")
    assert "Ames" in seen["shown"]
    assert "signed in as anna" in seen["shown"]
    (session,) = [cookie for cookie in seen["cookies"] if cookie["name"] == "auscult"]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
    assert seen["after"] == seen["asked"], "signed out, the same address asks again"
    assert seen["told"] == [], "no policy of the page was broken"
