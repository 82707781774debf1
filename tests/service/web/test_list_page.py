"""The list on the page: filters in the address, places, and studies that are marked as read."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from service.ledger import SiteKeys
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.facts import CloseSource, Day, Searched, Shelf, Sort, Standing
from service.vocabulary.states import Priority
from service.vocabulary.work_items import WorkItemState
from service.web.list_address import Address, address_of, midnights
from service.web.live_events import LiveEvents
from service.web.marking import Forms
from service.web.problem import Problem
from tests.service.sample_site import SampleSite
from tests.service.web.page import Element, parse


def page(client: httpx.Client, path: str = "/") -> Element:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return parse(response.text)


def uids(shown: Element) -> list[str]:
    return [row.attributes["data-uid"] for row in shown.all("tr") if "data-uid" in row.attributes]


def form_of(shown: Element, action: str) -> dict[str, str]:
    (form,) = [form for form in shown.all("form") if form.attributes.get("action") == action]
    return {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}


ADDRESSES = st.builds(
    Address,
    shelf=st.sampled_from(Shelf),
    answer=st.none() | st.sampled_from(Standing),
    priority=st.none() | st.sampled_from(Priority),
    source=st.text("ABC_ 1&=", max_size=16).map(str.strip),
    day=st.sampled_from(Day),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64).map(str.strip),
    sort=st.sampled_from(Sort),
    page=st.integers(1, 100_000),
)


@given(ADDRESSES)
def test_an_address_reads_as_it_was_written(address: Address) -> None:
    assert address_of(httpx.QueryParams(address.query)) == address


@pytest.mark.parametrize(
    "query", ["show=x", "answer=normal", "priority=high", "day=1", "sort=name", "page=0", "page=-1"]
)
def test_an_address_that_cannot_be_is_told_with_what_can(client: httpx.Client, query: str) -> None:
    with pytest.raises(Problem):
        address_of(httpx.QueryParams(query))
    response = client.get(f"/?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.text
    assert client.get(f"/api/worklist?{query}").status_code == 400


def test_days_begin_at_midnight_of_the_calendar(site: SampleSite) -> None:
    first, yesterday, today = midnights(site.now, 7)
    assert {(moment.hour, moment.minute) for moment in (first, yesterday, today)} == {(0, 0)}
    assert (today.date() - yesterday.date(), today.date() - first.date()) == (timedelta(days=1), timedelta(days=6))


def test_filters_stand_in_the_address_and_in_every_link(site: SampleSite, client: httpx.Client) -> None:
    wanted = site.receive(ae="ED_XRAY", order=Priority.URGENT, accession_number="ACC-1")
    site.infer(0.97)
    site.receive(ae="CR_ROOM_1", accession_number="ACC-2")
    site.infer(0.05)
    for query in ("from=ED%00_XRAY", "q=ac%00c-1"):  # PostgreSQL takes no NUL
        assert uids(page(client, f"/?{query}")) == [str(wanted.StudyInstanceUID)]
    for query in ("from=ED_XRAY", "answer=positive", "priority=urgent", "q=acc-1", "q=acc-1&from=ED_XRAY"):
        shown = page(client, f"/?{query}")
        assert uids(shown) == [str(wanted.StudyInstanceUID)]
        days = [link.attributes["href"] for link in shown.all("nav", "days")[0].all("a")]
        assert all(query.partition("&")[0] in link for link in days)
        assert client.get(f"/api/worklist?{query}").json()["studies"] == 1
    assert "No study is like this" in page(client, "/?from=NOBODY").text


def test_a_search_says_where_it_looked_and_leads_to_the_rest(site: SampleSite, client: httpx.Client) -> None:
    old = site.receive(at=site.now - timedelta(days=30), accession_number="ACC-1")
    read = site.receive(at=site.now + timedelta(days=30), accession_number="ACC-10")
    site.ledger.readings.close(str(read.StudyInstanceUID), CloseSource.PAGE)
    shown = page(client, "/?q=acc-1")
    assert "Searched among the unread studies of the last 7 days" in shown.text
    assert uids(shown) == []
    links = {link.text: link.attributes["href"] for link in shown.all("a")}
    assert uids(page(client, links["all that are unread"])) == [str(old.StudyInstanceUID)]
    assert uids(page(client, links["those that were read"])) == [str(read.StudyInstanceUID)]
    assert "Searched among" not in page(client, links["all that are unread"]).text


def test_a_name_is_not_searched_unless_the_site_allows(site: SampleSite, client: httpx.Client) -> None:
    assert site.settings.web.searched == (Searched.ACCESSION,)
    site.receive(patient_name="Ames^Anna", accession_number="ACC-1")
    assert uids(page(client, "/?q=ames")) == []


def test_what_nobody_read_for_days_stands_behind_a_link_with_its_count(site: SampleSite, client: httpx.Client) -> None:
    old = site.receive(at=site.now - timedelta(days=30))
    new = site.receive(at=site.now + timedelta(days=30))
    shown = page(client)
    assert uids(shown) == [str(new.StudyInstanceUID)]
    (older,) = [link for link in shown.all("nav", "days")[0].all("a") if "day=older" in link.attributes["href"]]
    assert older.text == "older, not read 1"
    assert uids(page(client, older.attributes["href"])) == [str(old.StudyInstanceUID)]
    assert uids(page(client, "/?day=all")) == [str(old.StudyInstanceUID), str(new.StudyInstanceUID)]


def test_a_row_says_whom_it_overtook_and_for_how_long_it_may_be_overtaken(
    site: SampleSite, client: httpx.Client
) -> None:
    site.receive()
    site.infer(0.05)
    site.receive(at=site.now + timedelta(minutes=20))
    site.infer(0.97)
    urgent, routine = [row.all("small", "place")[0].text for row in page(client).all("tr")[1:]]
    assert urgent == (
        "as if it had come 1 h 00 min earlier ahead of 1 that came 20 min earlier may still be overtaken for 3 h 00 min"
    )
    assert routine == "behind 1 that came later may still be overtaken for 3 h 40 min"
    site.now += timedelta(hours=5)
    assert page(client).text.count("cannot be overtaken any more") == 2


def test_a_page_beyond_the_last_one_shows_the_last_one(
    site: SampleSite, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.list_page.PAGE", 2)
    studies = [str(site.receive().StudyInstanceUID) for _ in range(3)]
    assert uids(page(client, "/?page=2")) == studies[2:]
    site.ledger.readings.close(studies[0], CloseSource.COMMAND)
    shown = page(client, "/?page=2")
    assert uids(shown) == studies[1:]
    assert "has been read" not in shown.text


def test_a_study_is_marked_as_read_and_read_again_from_the_page(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(accession_number="ACC-1", patient_id="P-1")
    uid = str(dataset.StudyInstanceUID)
    close, reopen = f"/studies/{uid}/close", f"/studies/{uid}/reopen"
    fields = form_of(page(client, "/?sort=oldest"), close)
    response = client.post(close, data=fields)
    assert (response.status_code, response.headers["location"]) == (303, "/?sort=oldest")
    assert uids(page(client)) == []
    assert "Every study of these days has been read" in page(client).text
    read = page(client, "/?show=read")
    assert uids(read) == [uid]
    assert "marked on the page" in read.text
    lines = site.settings.audit_file.read_bytes().splitlines()
    kinds = [etree.fromstring(line).find("EventIdentification/EventID").get("csd-code") for line in lines]
    assert kinds.count("110111") == 1

    site.infer(0.97)
    late = page(client, "/?show=late")
    assert "An image or a result came after the study was read" in late.text
    client.post(close, data=form_of(late, close))
    assert uids(page(client, "/?show=late")) == []
    assert client.post(reopen, data=form_of(page(client, f"/studies/{uid}"), reopen)).headers["location"].endswith(uid)
    assert uids(page(client)) == [uid]


@pytest.fixture
def study(site: SampleSite) -> str:
    """Give the UID of an open study."""
    return str(site.receive().StudyInstanceUID)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "0" * 64}, {}),
        ({"token": "\u00e9"}, {}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
        ({"more": "x" * 9000}, {}),
    ],
)
def test_a_form_that_is_not_ours_changes_nothing(
    site: SampleSite, client: httpx.Client, study: str, changes: dict[str, str], headers: dict[str, str]
) -> None:
    fields = form_of(page(client), f"/studies/{study}/close")
    response = client.post(f"/studies/{study}/close", data={**fields, **changes}, headers=headers)
    assert response.status_code in (403, 413)
    assert "load the page again" in response.text
    assert uids(page(client)) == [study]


def test_a_study_that_changed_since_the_page_was_loaded_stays_on_the_list(
    site: SampleSite, client: httpx.Client, study: str
) -> None:
    close = f"/studies/{study}/close"
    for path in ("/", f"/studies/{study}"):
        fields = form_of(page(client, path), close)
        site.now += timedelta(seconds=1)
        site.infer(0.97)
        response = client.post(close, data=fields)
        assert response.status_code == 409
        assert "look at the study again" in response.text
        assert uids(page(client)) == [study]
        site.receive(study_instance_uid=study)
    assert client.post(close, data=form_of(page(client), close)).status_code == 303


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"])
def test_a_form_leads_nowhere_but_to_our_own_pages(client: httpx.Client, study: str, back: str) -> None:
    fields = form_of(page(client), f"/studies/{study}/close")
    assert client.post(f"/studies/{study}/close", data={**fields, "back": back}).headers["location"] == "/"


def test_page_processes_with_one_ledger_take_each_others_forms(site: SampleSite) -> None:
    one, other = (Forms(partial(SiteKeys(site.ledger.engine).of, "forms")) for _ in range(2))
    token, apart = one.token("reader"), Forms(partial(SiteKeys(site.ledger.engine).of, "other"))
    assert token == other.token("reader")
    assert token not in (one.token("another"), apart.token("reader"))


def test_a_study_that_nobody_knows_cannot_be_marked(client: httpx.Client, study: str) -> None:
    fields = form_of(page(client), f"/studies/{study}/close")
    assert client.post("/studies/1.2.3/close", data=fields).status_code == 404
    assert client.get(f"/studies/{study}/close").status_code == 405


def test_the_pages_together_ask_once_a_second_also_while_the_ledger_is_away() -> None:
    asked: list[int] = []

    def newest() -> int:
        asked.append(1)
        raise LedgerUnavailable("away")

    async def looks() -> list[int | None]:
        live = LiveEvents(newest, 10, 60.0, lambda _: None)
        return await asyncio.gather(*(live._current() for _ in range(5)))

    assert asyncio.run(looks()) == [None] * 5
    assert len(asked) == 1


@pytest.fixture
def events(client: httpx.Client) -> Iterator[Iterator[tuple[str, str]]]:
    """Give what the page is told: kind and number of each event."""
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        text = (re.match(r"event: (\w+)\ndata: (\d+)", part) for part in _parts(response))
        yield ((found[1], found[2]) for found in text if found)


def _parts(response: httpx.Response) -> Iterator[str]:
    waiting = ""
    for text in response.iter_text():
        *whole, waiting = (waiting + text).split("\n\n")
        yield from whole


def test_an_open_page_is_told_when_the_list_has_changed_and_nothing_else(
    site: SampleSite, events: Iterator[tuple[str, str]]
) -> None:
    assert next(events) == ("changed", "0")
    dataset = site.receive()
    assert next(events) == ("changed", "1")
    site.ledger.readings.close(str(dataset.StudyInstanceUID), CloseSource.COMMAND)
    assert next(events) == ("changed", "2")
    assert next(events) == ("beat", "2")


def test_a_study_that_a_workstation_has_claimed_says_who_reads_it_until_it_is_left(
    site: SampleSite, client: httpx.Client
) -> None:
    site.receive()
    work = site.ledger.work_items
    (item,) = work.of_studies(work.offered())
    work.change(item.sop_instance_uid, WorkItemState.IN_PROGRESS, "1.2.3", "WS_ROOM_3")
    assert "being read at \u2068WS_ROOM_3\u2069" in page(client).text
    work.change(item.sop_instance_uid, WorkItemState.CANCELED, "1.2.3", "WS_ROOM_3")
    assert "being read at" not in page(client).text
