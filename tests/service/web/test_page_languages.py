"""The page in the site's language: no word that a person reads stands outside of the texts."""

from collections.abc import Iterator

import httpx
import pytest

from service.ledger import ArrivalKind
from service.vocabulary.language import Language
from service.vocabulary.refusals import Refusal, RefusalReason
from tests.service.marked import mark, outside
from tests.service.sample_site import SampleSite, busy_morning
from tests.service.web.page import Element, parse

#: What a person reads in attributes.
_READ = ("alt", "aria-label", "title", "data-live", "data-stale")
#: Every language has the same word for these: the product's name, units of size, UIDs' names in DICOM, a number's sign.
_SAME = ("auscult", "Study Instance UID", "SOP Instance UID", "KiB", "MiB")
#: Values as they came, or as a person types them: names, numbers, titles, commands, UIDs.
_DATA = {"bdi", "code", "script", "style"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSite]:
    """Give a site with every kind of study, whose language is Vietnamese."""
    site = busy_morning(tmp_path_factory.mktemp("site"))
    site.receive(patient_name="", patient_id="", accession_number="", rows=16, columns=16)
    site.receive(kind=ArrivalKind.OWN, rows=16, columns=16)
    for reason in (RefusalReason.CALLING_AE_TITLE, RefusalReason.ADDRESS):
        title = "ORTHANC" if reason is RefusalReason.CALLING_AE_TITLE else ""
        site.ledger.refusals.note(Refusal(reason, "10.1.2.3", title, "AUSCULT"))
    site.ledger.refusals.flush()
    site.settings = site.settings.model_copy(update={"language": Language.VIETNAMESE})
    yield site
    site.close()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark every text of the catalogue."""
    mark(Language.VIETNAMESE, monkeypatch)


def unsaid(element: Element) -> list[str]:
    """Return the words below an element that come from no catalogue and are no data.

    What is kept in English says so by its own ``lang``.
    """
    found = [word for name in _READ for word in outside(element.attributes.get(name, ""), *_SAME)]
    for child in element.children:
        if isinstance(child, str):
            found += outside(child, *_SAME)
        elif not (
            child.tag in _DATA
            or child.attributes.get("lang") == "en"
            or "uid" in child.attributes.get("class", "").split()
        ):
            found += unsaid(child)
    return found


@pytest.mark.usefixtures("marked")
def test_no_page_says_a_word_that_is_not_in_the_texts(site: SampleSite, client: httpx.Client) -> None:
    studies = [f"/studies/{study.study_instance_uid}" for study in site.ledger.reading_list.page(100).studies]
    site.ledger.figures.flush()
    paths = [
        "/",
        "/?page=2",
        "/turnaround",
        "/turnaround?from=X",
        "/?live=1",
        "/?page=x",
        "/nowhere",
        "/studies/1.2.3",
        "/studies/x",
        "/instances/1.png",
    ]
    for path in [*paths, *studies]:
        response = client.get(path)
        assert "⟦" in response.text, path
        assert unsaid(parse(response.text)) == [], path


@pytest.mark.usefixtures("marked")
def test_the_test_itself_finds_a_word_that_stands_outside() -> None:
    page = parse('<p title="Hello there">⟦a ⟦b⟧ c⟧ <bdi>Ames</bdi> 12 <b>of</b></p>')
    assert unsaid(page) == ["Hello", "there", "of"]


def test_a_page_names_its_language(site: SampleSite, client: httpx.Client) -> None:
    page = parse(client.get("/").text)

    assert page.all("html")[0].attributes["lang"] == "vi"
    assert "NGHI VIÊM PHỔI 96.2 %" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "1 ngày" not in page.text
    assert client.get("/api/worklist").json()["notice"].startswith("Kết quả")


def test_what_is_refused_is_said_in_the_language_too(site: SampleSite, client: httpx.Client) -> None:
    assert client.get("/", headers={"host": "evil.example"}).text.startswith("hãy truy cập")
