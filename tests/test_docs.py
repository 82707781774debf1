"""The documents say what is true: generated parts are current, what is public has a heading, links lead somewhere."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from starlette.routing import Route

from docs.generate import PARTS, ROOT, documents, part_names, with_parts_renewed
from docs.tables import claim, duties, ihe, tripod
from docs.tables.checklist import missing
from docs.tables.commands import all_commands
from docs.tables.errors import answers
from docs.tables.invariants import proofs
from docs.tables.reasons import SETTINGS
from docs.tables.settings import sections, setting_names
from docs.tables.states import FIRST, member_docs
from service.audit import AuditTrail
from service.dicom import contexts
from service.ledger import Arrival, ArrivalKind, Ledger
from service.ledger.database import connect
from service.ledger.migration import upgrade
from service.objects import StoredObject
from service.settings import Settings
from service.vocabulary.facts import Reason
from service.vocabulary.identity import Identity
from service.vocabulary.states import DeliveryState, State
from service.web.app import create_app

DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text() for path in documents()}
CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: A picture that a page shows must not make the checkout heavy.
MOST_BYTES = 400_000


def headings(name: str) -> list[str]:
    """Return the headings of a document, without their marks."""
    text = CODE_BLOCK.sub("", DOCUMENTS[name])
    return [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]


def anchors(name: str) -> set[str]:
    """Return the anchors that a forge gives a document's headings."""
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings(name)}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Give an empty ledger."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    upgrade(url)
    engine = connect(url)
    yield Ledger(engine)
    engine.dispose()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_generated_parts_are_what_the_code_says(name: str) -> None:
    assert DOCUMENTS[name] == with_parts_renewed(DOCUMENTS[name]), f"{name} is out of date: make docs"


def test_every_part_is_used_and_a_part_that_nothing_writes_is_an_error() -> None:
    assert {part for text in DOCUMENTS.values() for part in part_names(text)} == set(PARTS)
    with pytest.raises(KeyError):
        with_parts_renewed("<!-- generated: weather -->\n<!-- end -->")


def test_a_changed_part_is_noticed() -> None:
    name = "docs/reference/states.md"
    changed = DOCUMENTS[name].replace("A worker holds it under a lease.", "Nobody holds it.")
    assert with_parts_renewed(changed) == DOCUMENTS[name] != changed


def test_every_setting_has_a_heading() -> None:
    found = headings("docs/reference/settings.md")
    names = setting_names()
    assert len(names) > len(Settings.model_fields)
    assert [name for name in names if f"`{name}`" not in found] == []


def test_every_command_has_a_heading() -> None:
    found = headings("docs/reference/commands.md")
    names = [name for name, _ in all_commands()]
    assert {"auscult up", "auscult db upgrade", "auscult work"} <= set(names)
    assert [name for name in names if f"`{name}`" not in found] == []


def test_every_state_has_a_heading_and_a_docstring() -> None:
    found = headings("docs/reference/states.md")
    assert [state.name for state in State if f"`{state.name}`" not in found] == []
    assert set(member_docs(State)) == {state.name for state in State}
    assert set(member_docs(DeliveryState)) == {state.name for state in DeliveryState}


@pytest.mark.parametrize("kind", ArrivalKind)
def test_the_diagram_starts_where_the_ledger_does(ledger: Ledger, kind: ArrivalKind) -> None:
    identity = Identity("1.2.840.10008.5.1.4.1.1.1", "2.25.1", "2.25.2", "2.25.3")
    stored = StoredObject("0" * 64, 1)
    ledger.admission.register(Arrival(identity, "1.2.840.10008.1.2.1", stored, "PACS", kind=kind))
    history = ledger.inspection.history("2.25.1")
    assert history is not None
    assert [view.state for view in history.versions] == [FIRST[kind]]


def test_every_status_has_a_heading() -> None:
    found = " ".join(headings("docs/reference/errors.md"))
    statuses = {0x0000, *(status for status, _ in answers())}
    assert len(statuses) > 5
    assert [status for status in statuses if f"`0x{status:04X}`" not in found] == []


def test_every_reason_is_listed_and_the_settings_named_beside_them_exist() -> None:
    assert [reason for reason in Reason if f"`{reason.value}`" not in DOCUMENTS["docs/reference/reasons.md"]] == []
    assert set(SETTINGS.values()) <= set(setting_names())


def test_the_conformance_statement_names_every_sop_class_and_transfer_syntax() -> None:
    text = DOCUMENTS["docs/conformance.md"]
    accepted = contexts.accepted()
    uids = {*accepted, *(uid for syntaxes in accepted.values() for uid in syntaxes)}
    assert len(uids) > 20
    assert [uid for uid in uids if f"`{uid}`" not in text] == []


def test_every_route_of_the_page_has_a_heading(ledger: Ledger, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    app = create_app(settings, ledger, AuditTrail(settings))
    found = headings("docs/reference/http.md")
    routes = [route for route in app.routes if isinstance(route, Route) and route.path != "/favicon.ico"]
    asked = {f"{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path}" for route in routes}
    assert {"GET /", "GET /healthz"} <= asked
    assert [request for request in sorted(asked) if f"`{request}`" not in found] == []


def test_every_duty_names_documents_and_tests_that_there_are() -> None:
    assert duties.missing() == []
    assert ihe.missing() == []
    assert missing(claim.CLAIM) == missing(tripod.TRIPOD) == []
    assert [number for number, *_ in claim.CLAIM] == [str(number) for number in range(1, 45)]
    assert [number for number, *_ in tripod.TRIPOD] == [str(number) for number in range(1, 28)]
    assert len(duties.DUTIES) > 6


def test_every_invariant_has_a_test() -> None:
    found = proofs()
    assert sum(map(len, found.values())) > 60
    assert [invariant.name for invariant, tests in found.items() if not tests] == []


def test_every_module_says_what_it_is_for() -> None:
    found = re.findall(r"^- `\w+`: ?(.*)$", DOCUMENTS["docs/reference/modules.md"], re.MULTILINE)
    assert len(found) > 250
    assert [line for line in found if len(line) < 10] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE_BLOCK.sub("", DOCUMENTS[name])):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        relative = str(path.resolve().relative_to(ROOT))
        if not path.exists() or (anchor and anchor not in anchors(relative)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_settings_file_that_a_document_shows_can_be_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for language, block in CODE_BLOCK.findall(DOCUMENTS[name].replace("   ", "")):
        if language == "toml":
            assert tomllib.loads(block)
            (tmp_path / "auscult.toml").write_text(block)
            monkeypatch.setenv("AUSCULT_CONFIG", str(tmp_path / "auscult.toml"))
            Settings()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_setting_that_a_document_names_exists(name: str) -> None:
    known = {*setting_names(), *(section for section, _, _ in sections())}
    tables = {setting.partition(".")[0] for setting in known}
    named = re.findall(r"`([a-z]+)\.([a-z_]+(?:\.[a-z_]+)?)`", CODE_BLOCK.sub("", DOCUMENTS[name]))
    wrong = [
        f"{section}.{setting}"
        for section, setting in named
        if section in tables - {"report"} and f"{section}.{setting}" not in known
    ]
    assert wrong == []


def test_every_picture_is_shown_somewhere_and_is_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < MOST_BYTES, picture.name
        assert any(f"images/{picture.name})" in text for text in DOCUMENTS.values()), picture.name
        if picture.suffix == ".svg":
            assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
            continue
        with Image.open(picture) as image:
            assert image.format == "PNG"


def test_the_readme_says_first_what_auscult_is_not() -> None:
    assert "not a medical device" in DOCUMENTS["README.md"].partition("\n\n")[2][:200]
