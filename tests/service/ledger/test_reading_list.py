"""The reading list: filters, sorts, pages, and who was overtaken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service.ledger.database import reading
from service.ledger.folding import fold, folded
from service.ledger.reading_list import Overtaking, Wanted
from service.ledger.views import StudyView
from service.texts import texts_in
from service.vocabulary.facts import CloseSource, Searched, Shelf, Sort, Standing
from service.vocabulary.language import Language
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority
from service.worklist import answer_of_study
from tests.service.sample_site import SampleSite, busy_morning


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def morning(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSite]:
    """Give a ledger with every kind of study, on either database; these tests change nothing in it."""
    url = request.getfixturevalue("_postgres").create_database() if request.param == "postgresql" else None
    site = busy_morning(tmp_path_factory.mktemp("morning"), url)
    for view in site.ledger.reading_list.page(2, 6).studies:
        site.ledger.readings.close(view.study_instance_uid, CloseSource.COMMAND)
    yield site
    site.close()


def found(site: SampleSite, wanted: Wanted) -> list[StudyView]:
    page = site.ledger.reading_list.page(1000, 0, wanted)
    assert page.total == len(page.studies)
    return list(page.studies)


def names(site: SampleSite, wanted: Wanted) -> list[str]:
    return [view.instances[0].identity.patient_name for view in found(site, wanted)]


@pytest.mark.parametrize("standing", Standing)
def test_what_the_ledger_finds_by_the_ai_s_answer_is_what_its_rows_say(morning: SampleSite, standing: Standing) -> None:
    everything = found(morning, Wanted())
    said = [view.id for view in everything if answer_of_study(texts_in(Language.ENGLISH), view)[0].standing is standing]
    assert [view.id for view in found(morning, Wanted(standing=standing))] == said
    assert said, "the morning has a study of each kind"


@pytest.mark.parametrize("priority", Priority)
def test_a_priority_is_all_that_is_found_by_it(morning: SampleSite, priority: Priority) -> None:
    everything = found(morning, Wanted())
    assert found(morning, Wanted(priority=priority)) == [view for view in everything if view.priority is priority]


def test_a_source_is_the_ae_title_that_sent_an_image(morning: SampleSite) -> None:
    assert morning.ledger.reading_list.sources() == ["CR_ROOM_1", "ED_XRAY"]
    assert len(found(morning, Wanted(source="ED_XRAY"))) == 2
    assert found(morning, Wanted(source="ED_XRA")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nguyen an", ["Nguyễn^Văn An"]),
        ("VĂN", ["Nguyễn^Văn An"]),
        ("muller", ["Müller-Lüdenscheidt^Maximilian Alexander^^Dr."]),
        ("太郎", ["Yamada^Tarou=山田^太郎"]),
        ("acc-78097", ["Nguyễn^Văn An"]),
        ("p-20388", ["Nguyễn^Văn An"]),
        ("%", []),
        ("'; DROP TABLE studies; --", []),
    ],
)
def test_free_text_finds_names_and_numbers_without_case_and_accents(
    morning: SampleSite, text: str, expected: list[str]
) -> None:
    assert [name for name in names(morning, Wanted(text=text)) if name] == expected


def test_free_text_is_looked_for_only_where_the_site_allows(morning: SampleSite) -> None:
    assert names(morning, Wanted(text="nguyen", searched=(Searched.ACCESSION,))) == []
    assert names(morning, Wanted(text="78097", searched=(Searched.ACCESSION,))) == ["Nguyễn^Văn An"]


def test_what_was_read_stands_on_a_shelf_of_its_own_the_last_first(morning: SampleSite) -> None:
    read = found(morning, Wanted(Shelf.READ))
    assert len(read) == 2
    assert all(view.reading for view in read)
    assert not {view.id for view in read} & {view.id for view in found(morning, Wanted())}
    assert found(morning, Wanted(Shelf.LATE)) == []
    assert morning.ledger.reading_list.count() == len(found(morning, Wanted()))


def test_spans_of_arrival_are_counted_and_found(morning: SampleSite) -> None:
    moments = [morning.now - timedelta(hours=2), morning.now - timedelta(minutes=30)]
    older, middle, new = morning.ledger.reading_list.arrived(moments)
    assert older == len(found(morning, Wanted(arrived_before=moments[0])))
    assert middle == len(found(morning, Wanted(arrived_from=moments[0], arrived_before=moments[1])))
    assert new == len(found(morning, Wanted(arrived_from=moments[1])))
    assert min(older, middle, new) > 0


def test_every_sort_has_the_same_studies_and_pages_follow_on_each_other(morning: SampleSite) -> None:
    everything = found(morning, Wanted())
    for sort in Sort:
        whole = found(morning, Wanted(sort=sort))
        assert {view.id for view in whole} == {view.id for view in everything}
        for wanted in (Wanted(sort=sort), Wanted(sort=sort, source="CR_ROOM_1")):
            views = found(morning, wanted)
            pages = [morning.ledger.reading_list.page(7, offset, wanted) for offset in range(0, len(views) + 7, 7)]
            assert [view for page in pages for view in page.studies] == views
            assert {page.total for page in pages} == {len(views)}
    oldest = found(morning, Wanted(sort=Sort.OLDEST))
    assert [view.first_received_at for view in oldest] == sorted(view.first_received_at for view in oldest)
    assert found(morning, Wanted(sort=Sort.NEWEST)) == oldest[::-1]
    priorities = [view.priority for view in found(morning, Wanted(sort=Sort.PRIORITY))]
    assert priorities == sorted(priorities, reverse=True)


def test_who_was_overtaken_is_what_comparing_each_with_each_finds(morning: SampleSite) -> None:
    everything = found(morning, Wanted())
    overtaking = morning.ledger.reading_list.overtaking(everything)
    for place, view in enumerate(everything):
        earlier = [
            other.first_received_at
            for other in everything[place + 1 :]
            if other.first_received_at < view.first_received_at
        ]
        later = [other for other in everything[:place] if other.first_received_at > view.first_received_at]
        longest = view.first_received_at - min(earlier) if earlier else timedelta(0)
        assert overtaking[view.id] == Overtaking(len(earlier), longest, len(later))
    assert any(found.overtakes for found in overtaking.values())
    assert any(found.overtaken_by for found in overtaking.values())
    page = everything[3:6]
    assert morning.ledger.reading_list.overtaking(page) == {view.id: overtaking[view.id] for view in page}
    assert morning.ledger.reading_list.overtaking(found(morning, Wanted(Shelf.READ))) == {}


@given(
    arrived=st.integers(0, 600),
    priority=st.sampled_from(Priority),
    later=st.integers(0, 600),
    other=st.sampled_from(Priority),
)
def test_nothing_that_arrives_after_the_bound_stands_before_a_study(
    arrived: int, priority: Priority, later: int, other: Priority
) -> None:
    order, start = ReadingOrder(), datetime(2026, 3, 1, tzinfo=UTC)
    rank = order.rank(start + timedelta(minutes=arrived), priority)
    until = order.overtakable_until(rank)
    assert order.rank(until + timedelta(minutes=later), other) >= rank
    assert order.rank(until - timedelta(seconds=1), Priority.STAT) < rank


def test_a_change_on_the_list_is_a_new_event_and_a_look_is_none(site: SampleSite) -> None:
    before = site.ledger.reading_list.newest_event()
    study = site.receive()
    received = site.ledger.reading_list.newest_event()
    site.ledger.reading_list.page(10)
    assert site.ledger.reading_list.newest_event() == received > before
    site.ledger.readings.close(str(study.StudyInstanceUID), CloseSource.COMMAND)
    assert site.ledger.reading_list.newest_event() > received


@pytest.mark.parametrize("text", ["Nguyễn^Văn An", "ĐẶNG", "Müller", "O'Brien", "山田^太郎", "الأحمد", "Ω", ""])
def test_both_databases_fold_a_text_alike(morning: SampleSite, text: str) -> None:
    with reading(morning.engine) as session:
        assert session.scalar(select(folded(text))) == fold(text)
