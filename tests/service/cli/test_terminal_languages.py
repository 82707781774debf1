"""The commands in the site's language: no word that a person reads stands outside of the texts."""

from collections.abc import Callable

import pytest
from click.testing import Result

from service.cli import doctor
from service.texts import texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Reason
from service.vocabulary.language import Language
from service.vocabulary.refusals import Refusal, RefusalReason
from service.vocabulary.states import DeliveryState
from tests.service.marked import mark, outside
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]

#: Values as they came, names of settings, commands and standards: the same in every language. What an error said is
#: kept as it was logged, in English.
_DATA = (
    *(
        "Ames, Anna",
        "Bell, Bea",
        "ACC",
        "pacs",
        "CR_ROOM_1",
        "PHANTOM",
        "auscult retry",
        "auscult release",
        "auscult doctor",
    ),
    *("the destination answered status 0xA900", "0xA900"),
    *("SOP Instance UID", "SQLite: journal_mode=wal, synchronous=2"),
)


@pytest.fixture(autouse=True)
def _vietnamese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_LANGUAGE", "vi")
    monkeypatch.setenv("COLUMNS", "2000")  # nothing is wrapped, so a text is in one piece
    monkeypatch.setattr(doctor, "entry_points", lambda group: [])
    mark(Language.VIETNAMESE, monkeypatch)


@pytest.fixture
def morning(site: SampleSite) -> str:
    """Give the UID of a held study, beside one whose reports nobody takes and what is not analysed."""
    site.receive(patient_name="Ames^Anna", sop_instance_uid="1.2.3")
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    site.receive(patient_name="Ames^Anna")
    site.exclude(Reason.LATERAL_VIEW)
    study = str(site.receive(patient_name="Ames^Anna", patient_id="A").StudyInstanceUID)
    site.receive(patient_name="Bell^Bea", patient_id="B", study_instance_uid=study)
    site.ledger.refusals.note(Refusal(RefusalReason.ADDRESS, "10.1.2.3", "", ""))
    site.ledger.refusals.flush()
    return study


@pytest.mark.parametrize(
    "command",
    [
        *("status", "worklist", "show 1.2.3", "show STUDY", "doctor", "retry", "retry", "release STUDY --yes"),
        *("close STUDY", "close 1.2.3", "reopen 1.2.3", "reanalyse 1.2.3 --yes", "sweep --once"),
        *("db upgrade", "reanalyse --checkpoint 9 --yes"),
    ],
)
def test_no_command_says_a_word_that_is_not_in_the_texts(
    site: SampleSite, auscult: Auscult, morning: str, command: str
) -> None:
    result = auscult(*command.replace("STUDY", morning).split())

    assert "⟦" in result.output, result.exception
    assert outside(result.output, str(site.folder), *_DATA) == []


@pytest.mark.parametrize(
    "command",
    [
        "show 1.2.9",
        "retry 1.2.9",
        "release 1.2.9",
        "close 1.2.9",
        "reanalyse",
        "alive sweep",
        "alive web",
        "password x",
    ],
)
def test_no_error_of_a_command_says_a_word_that_is_not_in_the_texts(
    site: SampleSite, auscult: Auscult, command: str
) -> None:
    error = auscult(*command.split()).exception

    assert isinstance(error, AuscultError)
    assert outside(texts_in(Language.VIETNAMESE).told(error), str(site.folder)) == []


def test_what_ails_the_ledger_is_said_in_the_language_and_logged_in_english(site: SampleSite, auscult: Auscult) -> None:
    (site.folder / "other").mkdir()
    site.settings.data_dir.joinpath("ledger.sqlite").rename(site.folder / "other" / "ledger.sqlite")
    error = auscult("status").exception

    assert isinstance(error, AuscultError)
    assert str(error) == "the database has no tables of a ledger yet; run `auscult db upgrade`"
    assert texts_in(Language.VIETNAMESE).told(error).startswith("⟦cơ sở dữ liệu chưa có bảng")


def test_a_monitor_finds_the_same_names_in_every_language(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    vietnamese = auscult("doctor", "--json").output
    monkeypatch.setenv("AUSCULT_LANGUAGE", "en-US")
    english = auscult("doctor", "--json").output

    assert [line for line in vietnamese.splitlines() if '"name"' in line] == [
        line for line in english.splitlines() if '"name"' in line
    ]
