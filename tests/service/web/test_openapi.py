"""The OpenAPI document: schemathesis, which nobody here wrote, holds a served page to it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.security.passwords import write
from service.settings import WebSettings
from service.vocabulary.roles import Role
from tests import phantoms
from tests.documents import DOCS
from tests.fakes import cheap_user
from tests.servers import free_port
from tests.service.dicomweb_body import CONTENT_TYPE, body
from tests.service.sample_site import SampleSite, busy_morning
from tests.service.web.sign_in.test_sessions import PASSWORD, sign_in
from tests.service.web.test_server import serving

#: Among them that nothing is answered with 500, which the document knows nowhere.
_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
_BASIC = requests.auth._basic_auth_str("root", PASSWORD)

_INSTANCE = body([phantoms.encoded(phantoms.chest(1))])


@dataclass(frozen=True)
class Served:
    """A page with all that can be served, a token for it, a session's cookie, and UIDs that it knows."""

    address: str
    token: str
    session: str
    uids: tuple[str, ...]

    @property
    def callers(self) -> list[dict[str, str]]:
        """The headers of a program, a person with a name and a password, one with a session, and two strangers."""
        program, person, stranger = ({"Authorization": word} for word in (f"Bearer {self.token}", _BASIC, "Bearer no"))
        return [program, program, person, person, {"Cookie": f"auscult={self.session}"}, stranger, {}]


@contextmanager
def _served(folder: Path) -> Iterator[Served]:
    site = busy_morning(folder)
    (folder / "secret").write_text("a secret that the provider knows\n")
    write(folder / "users", {"root": cheap_user(PASSWORD, *Role)})
    here = f"http://127.0.0.1:{free_port()}"
    provider = {"issuer": here, "client_id": "a", "redirect_uri": f"{here}/sign-in/oidc/answer"}
    web = {
        "port": 0,
        "users": folder / "users",
        "senders": [{"ae_title": "ORTHANC", "user": "root"}],
        "oidc": provider | {"client_secret_file": folder / "secret"},
        "response_timeout": 6,  # a stream of events lasts half as long
    }
    site.settings = site.settings.model_copy(update={"web": WebSettings.model_validate(web)})
    # The form that ends a token is asked with small numbers: ours is a later one.
    *_, token = [site.ledger.api_tokens.create("ris", frozenset(Role), "root", timedelta(days=1)) for _ in range(50)]
    with serving(site) as address, httpx.Client(base_url=address) as client:
        session = sign_in(client, "root").cookies["auscult"]
        yield Served(address.rstrip("/"), token, session, _known(site))
    site.close()


def _known(site: SampleSite) -> tuple[str, ...]:
    """Return UIDs of studies, and of the images and reports of the first, which is positive."""
    studies = site.ledger.reading_list.page(100).studies
    history = site.ledger.inspection.history(studies[0].study_instance_uid)
    assert history is not None
    images, reports = history.study.instances, history.reports
    own = [image.sop_instance_uid for image in images] + [report.sop_instance_uid for report in reports]
    return (*own, *(study.study_instance_uid for study in studies[:3]))


@schemathesis.serializer("multipart/related")
def _one_instance(context: object, value: object) -> bytes:
    return _INSTANCE


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with _served(tmp_path_factory.mktemp("openapi") / "data") as served:
        yield served


def _ask(operation: schemathesis.APIOperation, served: Served) -> set[int]:
    """Ask for one thing in the ways that the document allows, as several callers; return the statuses."""
    reached = set()

    @settings(
        max_examples=2 if operation.path == "/events" else 6,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.sampled_from(served.callers), st.sampled_from([*served.uids, None]))
    def ask(case: schemathesis.Case, caller: dict[str, str], uid: str | None) -> None:
        case.headers.clear()  # credentials that it has made up: too many of them, and nobody is let in for a minute
        case.cookies.clear()
        if uid and "uid" in case.path_parameters:
            case.path_parameters["uid"] = uid
        kind = {"Content-Type": CONTENT_TYPE} if case.media_type == "multipart/related" else {}
        answered = case.call_and_validate(served.address, headers=caller | kind, checks=_CHECKS, allow_redirects=False)
        reached.add(answered.status_code)

    ask()
    return reached


def test_no_answer_is_another_than_the_document_says(served: Served) -> None:
    # From its address the library would leave out the document itself.
    answered = httpx.get(f"{served.address}/openapi.json", headers=served.callers[0])
    document = schemathesis.openapi.from_dict(answered.json())
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    reached = {operation.label: _ask(operation, served) for operation in operations}
    shown = {label for label, statuses in reached.items() if 200 in statuses}
    names = ("worklist", "studies/{uid}", "status", "turnaround", "machines")
    assert {
        "GET /openapi.json",
        "POST /dicomweb/studies",
        "GET /events",
        *(f"GET /api/{name}" for name in names),
    } <= shown
    assert httpx.get(f"{served.address}/api/status", headers=served.callers[0]).status_code == 200, "still let in"


def test_the_document_and_the_reference_name_the_same_requests_and_no_mistake_of_ours(served: Served) -> None:
    document = httpx.get(f"{served.address}/openapi.json", headers=served.callers[0]).json()
    asked = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    headings = re.findall(r"^### `([A-Z]+ .+)`$", (DOCS / "reference" / "http.md").read_text(), re.MULTILINE)
    assert asked == set(headings)
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert [one["summary"] for one in operations if "500" in one["responses"] or not one["summary"]] == []
    close, health = document["paths"]["/studies/{uid}/close"]["post"], document["paths"]["/healthz"]["get"]
    assert close["security"] == [{"bearer": ["reader"]}, {"basic": ["reader"]}, {"session": ["reader"]}]
    assert health["security"] == []
    assert httpx.get(f"{served.address}/openapi.json").status_code == 401
