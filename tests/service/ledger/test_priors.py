"""A patient's other studies: found by ID and issuer, and never another patient's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset

from service.vocabulary.identity import Identity
from tests.service.sample_site import SampleSite


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty ledger on either database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    site = SampleSite(tmp_path / "data", url)
    yield site
    site.close()


def priors(site: SampleSite, dataset: Dataset) -> list[str]:
    history = site.ledger.inspection.history(str(dataset.StudyInstanceUID))
    assert history is not None
    return [study.study_instance_uid for study in site.ledger.priors.of(history.study)]


def test_the_newest_study_of_the_same_id_comes_first_and_the_study_itself_is_none(either: SampleSite) -> None:
    first, second, third = (either.receive(patient_id="P-1", patient_name="Lam^An") for _ in range(3))
    either.receive(patient_id="P-2", patient_name="Lam^An")

    assert priors(either, second) == [str(third.StudyInstanceUID), str(first.StudyInstanceUID)]


def test_an_equal_number_of_another_person_or_no_number_finds_nothing(either: SampleSite) -> None:
    one = either.receive(patient_id="P-1", patient_name="Lam^An", birth_date=None)
    other = either.receive(patient_id="P-1", patient_name="Roy^Bo", PatientBirthDate="19990101")
    one_born = either.receive(patient_id="P-1", patient_name="Lam^An", PatientBirthDate="19500101")
    assert str(other.StudyInstanceUID) not in priors(either, one_born)
    assert str(one.StudyInstanceUID) in priors(either, one_born)
    without = [either.receive(patient_id="", patient_name="Lam^An") for _ in range(2)]
    assert priors(either, without[0]) == []


def test_a_study_on_hold_has_no_priors_and_is_none(either: SampleSite) -> None:
    study = either.receive(patient_id="A", patient_name="Ames^Anna")
    other = either.receive(patient_id="A", patient_name="Ames^Anna")
    either.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(study.StudyInstanceUID))

    assert priors(either, study) == []
    assert priors(either, other) == []


def test_the_digest_tells_issuers_apart_and_leaves_spaces_out() -> None:
    def digest(patient: str, issuer: str = "") -> str | None:
        return Identity("1", "2", "3", "4", patient_id=patient, issuer_of_patient_id=issuer).patient_digest()

    assert digest("P-1") == digest(" P-1 ")
    assert len({digest("P-1"), digest("P-1", "A"), digest("P-1", "B"), digest("P-1A")}) == 4
    assert digest(" ", "A") is None
