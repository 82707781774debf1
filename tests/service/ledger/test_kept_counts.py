from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.ledger import kept_counts
from service.ledger.database import reading, writing
from tests.service.sample_site import SampleSite, busy_morning


def _kept(site: SampleSite) -> dict[kept_counts.CountKey, int]:
    with reading(site.engine) as session:
        return kept_counts.kept(session)


def _rows(site: SampleSite) -> int:
    with reading(site.engine) as session:
        return int(session.scalar(text("SELECT count(*) FROM counts")) or 0)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def morning(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSite]:
    """Give a ledger with every kind of study, on either database; each test leaves what is kept as it found it."""
    url = request.getfixturevalue("_postgres").create_database() if request.param == "postgresql" else None
    site = busy_morning(tmp_path_factory.mktemp("morning"), url)
    yield site
    site.close()


def test_what_is_kept_is_what_counting_finds_and_stays_so_when_it_is_put_together(morning: SampleSite) -> None:
    found = _kept(morning)
    assert found[kept_counts.STUDIES, ""] > 10
    assert len({name for name, _ in found}) > 6
    morning.ledger.counts.put_together(at_least=0)
    assert _rows(morning) == len(found) + 1
    assert _kept(morning) == found


def test_what_an_earlier_version_wrote_is_counted_when_all_is_counted_anew(morning: SampleSite) -> None:
    found = _kept(morning)
    with writing(morning.engine) as session:
        session.execute(text("DELETE FROM counts WHERE name = 'states'"))
    morning.ledger.counts.recount()
    assert _kept(morning) == found
    morning.ledger.counts.recount()
    assert _kept(morning) == found


def test_of_two_who_count_anew_at_once_one_is_too_late(morning: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _kept(morning)
    with writing(morning.engine) as session:
        session.execute(text("DELETE FROM counts WHERE name = 'states'"))
    counted = kept_counts._counted

    def while_another_counts(session: object) -> object:
        monkeypatch.setattr(kept_counts, "_counted", counted)
        morning.ledger.counts.recount()
        return counted(session)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_counts, "_counted", while_another_counts)
    morning.ledger.counts.recount()
    assert _kept(morning) == found
